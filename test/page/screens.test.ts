import { randomUUID } from "node:crypto";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import t, { type Test } from "tap";
import type { Role } from "@inthon/emitter/protocol";
import { sign, withSecret } from "../gate/helpers/issuers.js";
import { type ServerProcess, startServer } from "../helpers/processes/server-process.js";
import {
  isConnected,
  openBrowser,
  openDesk as openDeskOf,
  picture,
  reads,
  screenOf,
} from "./helpers/demo-page.js";

const roles: readonly Role[] = ["teacher", "student"];

let server: ServerProcess;
let browser: Browser;
t.before(async () => {
  server = await startServer();
  t.teardown(async () => server.stop());
  browser = await openBrowser();
  t.teardown(async () => browser.close());
});

const openDesk = (test: Test, options: BrowserContextOptions & { url?: string } = {}) =>
  openDeskOf(browser, test, { url: server.url, ...options });

t.test("a server with publish keys is given one, which the tab keeps", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: "let-me-in-let-me-in" } });
  t.teardown(async () => server.stop());
  const desk = openDesk(t, { url: server.url });
  const session = randomUUID();
  const student = await desk.open(session, "student");
  await student.page.getByText("What was before you came is not shown").waitFor();
  const key = student.page.getByLabel("This server asks for a publish key");
  await student.page.setViewportSize(sizes.narrow.viewport);
  await student.page.locator('[data-vote="OK"]').click();
  await key.fill("let-me-in-let-me-in");
  await isSound(t, student.page, "student-key-narrow");
  await key.press("Enter");
  await reads(student.page.getByTestId("voted"), "You said OK");
  await student.page.reload();
  await isConnected(student);
  await student.page.locator('[data-vote="HARD"]').click();
  await reads(student.page.getByTestId("voted"), "You said hard");
  t.notOk(await key.isVisible(), "it is not asked for again");
  t.ok(
    desk.problems.every((each) => /^(401 |console: .*401)/.test(each)),
    desk.problems.join("\n"),
  );
});

t.test("where a server asks for tokens, the page has them behind # in its address", async (t) => {
  const { signing, env } = await withSecret();
  const server = await startServer({ env: { ...env } });
  t.teardown(async () => server.stop());
  const desk = openDesk(t, { url: server.url });
  const session = randomUUID();
  const tokenOf = (role: string) => sign(signing, { session_id: session, role });
  const [teacher, student] = await Promise.all([tokenOf("teacher"), tokenOf("student")]);
  const page = await desk.blank();
  const screen = screenOf(page);
  await page.goto(`/?session=${session}&role=student`);
  await reads(screen.state, "No right token");
  await page.goto(`/?session=${session}&role=student#teacher=${teacher}&student=${student}`);
  await isConnected(screen);
  t.equal(new URL(page.url()).hash, "", "the address that is shown and copied has none");
  await screen.openDrawer();
  for (const protocol of ["websocket", "eventsource"]) {
    await screen.choose(protocol);
    await isConnected(screen);
  }
  await page.locator('[data-vote="OK"]').click();
  const key = page.getByLabel("This server asks for a publish key");
  await key.fill(await tokenOf("publisher"));
  await key.press("Enter");
  await reads(page.getByTestId("voted"), "You said OK");
});

t.test("the first page leads to both screens, and speaks the reader's language", async (t) => {
  const desk = openDesk(t);
  const page = await desk.blank();
  await page.goto("/");
  t.equal(await page.getByLabel("Session").inputValue(), "lecture-1", "the README's");
  await page.getByRole("button", { name: "New session" }).click();
  const session = await page.getByLabel("Session").inputValue();
  t.match(session, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await page.getByRole("button", { name: "한국어" }).click();
  await page.locator('html[lang="ko"]').waitFor();
  await page.getByLabel("강의 번호").fill(session);
  await page.getByRole("button", { name: "수업 듣기" }).click();
  await isConnected(screenOf(page));
  t.equal(new URL(page.url()).search, `?session=${session}&role=student`);
  await page.getByText("선생님이 자리를 비웠습니다").waitFor();
  t.same(desk.problems, []);
});

t.test("a whole lecture by keyboard alone: nobody loses the focus", async (t) => {
  const session = randomUUID();
  const desk = openDesk(t, { reducedMotion: "reduce" });
  const enter = async (role: Role) => {
    const page = await desk.blank();
    await page.goto(`/?session=${session}`);
    const keys = keysOf(t, page);
    await keys.act(`.choice.${role}`);
    await isConnected(screenOf(page));
    return { ...keys, ...screenOf(page) };
  };
  const teacher = await enter("teacher");
  const student = await enter("student");

  await student.act('[data-vote="HARD"]');
  await reads(student.page.getByTestId("voted"), "You said hard");
  for (const question of ["Why so?", "And then?"]) {
    await student.act(".ask button.wide");
    await student.type(question);
    await student.act('[data-testid="ask"] button[type="submit"]');
    await reads(teacher.questions, question);
    await student.isThere("after a question");
  }
  // The one below rises above the other, under the finger.
  await student.act('[data-testid="questions"] li:last-child button');
  await reads(student.questions.first(), "1 also wondering");
  await student.isThere("after a like");

  await teacher.act('[data-testid="questions"] li button');
  await reads(teacher.page.locator(".questions-card"), "Answered (1)");
  await teacher.isThere("after an answer");
  await teacher.act(".below summary");
  await teacher.act('[data-testid="answered"] li button');
  await teacher.page.getByTestId("answered").locator("li").waitFor({ state: "detached" });
  await teacher.isThere("after a question was opened again");

  await teacher.reach("#note");
  await teacher.type("Mind this");
  await teacher.page.keyboard.press("Enter");
  await teacher.isThere("on undo");
  await teacher.page.keyboard.press("Enter");
  await teacher.isThere("after undo");
  await teacher.page.keyboard.press("Enter");
  await teacher.act('[data-testid="pending"] button:last-child');
  await reads(student.moments, "Mind this");
  await teacher.isThere("after a mark");

  await teacher.act('[aria-controls="drawer"]');
  for (let vote = 2; vote <= 5; vote++) {
    await teacher.act('[data-testid="publisher"] button');
    await teacher
      .frame("feedback")
      .nth(vote - 1)
      .waitFor();
  }
  await teacher.act('[data-testid="offer"] button.hard');
  await reads(student.moments, "Many found this hard");
  await teacher.isThere("after the alert");
  await teacher.act("#threshold", "ArrowDown");
  t.equal(await teacher.page.locator("#threshold").inputValue(), "50");

  await student.act('[aria-controls="drawer"]');
  await student.act("#protocol", "ArrowDown");
  await isConnected(student);
  await student.isThere("with another protocol");
  await student.act(".drawer-bar .row button:nth-child(2)");
  await reads(student.state, "Line lost");
  await student.isThere("while the line is cut");
  await reads(student.page.getByTestId("return"), /0 lost$/);
  await student.act(".frames-scroll", "End");

  await teacher.act(".actions button.danger");
  await teacher.isThere("in the dialog");
  await teacher.page.keyboard.press("Escape");
  await teacher.isThere("after Escape");
  await teacher.page.keyboard.press("Enter");
  await teacher.act("dialog button.danger");
  for (const screen of [teacher, student]) {
    await screen.page.getByTestId("over").waitFor();
    await screen.isThere("at the end");
  }
  await student.act(".here button");
  await isConnected(student);
  await student.isThere("connected again");
  await student.reach(".notice a");
  t.same(
    desk.problems.filter((each) => !each.includes("transport=polling")),
    [],
  );
});

/** As many elements as one passes at most on the way through a page. */
const MOST_TABS = 80;

/** A page that has a keyboard, and nothing else. */
function keysOf(test: Test, page: Page) {
  const isOn = async (selector: string) =>
    page.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`);
  const reach = async (selector: string) => {
    for (let tab = 0; tab < MOST_TABS; tab++) {
      if (await isOn(selector)) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`no Tab leads to ${selector}`);
  };
  return {
    reach,
    type: async (text: string) => page.keyboard.type(text),
    async act(selector: string, key = "Enter") {
      await page.locator(selector).first().waitFor();
      await reach(selector);
      await page.keyboard.press(key);
    },
    /** The focus is on something that is seen. */
    async isThere(when: string) {
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
      const where = await page.evaluate<string>(
        `document.activeElement !== document.body && document.activeElement.checkVisibility()
          ? "" : "lost: " + document.activeElement.outerHTML.slice(0, 200)`,
      );
      test.equal(where.slice(0, 120), "", `${when}: ${page.url().slice(-8)}`);
    },
  };
}

const sizes = {
  laptop: { locale: "en-US", colorScheme: "light" },
  phone: {
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    isMobile: true,
    locale: "ko-KR",
    colorScheme: "dark",
  },
  // As wide as a page of 640 px at 200 %.
  narrow: { viewport: { width: 320, height: 640 }, locale: "en-US", colorScheme: "dark" },
} as const;

t.test("every state is without faults for axe, and fits, whatever is written", async (t) => {
  const session = randomUUID();
  const desk = openDesk(t);
  const first = await desk.open(session, "teacher");
  await first.openDrawer();
  const hostile = `${"w".repeat(500)} <b>${"가".repeat(300)}`;
  await first.publish("new_question", {
    question_id: 1,
    cleaned_text: hostile,
    capture_url: `https://example.com/${"u".repeat(500)}`,
  });
  await first.publish("important", { note: hostile, capture_url: "/sample-capture.svg" });
  await reads(first.moments, "www");
  for (let vote = 0; vote < 5; vote++) await first.publish("feedback");
  await first.page.getByTestId("offer").waitFor();

  for (const [size, options] of Object.entries(sizes)) {
    const shown = openDesk(t, { ...options, reducedMotion: "reduce" });
    const home = await shown.blank();
    await home.goto("/");
    await isSound(t, home, `home-${size}`);
    await home.context().close();
    for (const role of roles) {
      const { page, moments } = await shown.open(session, role);
      await reads(moments, "www");
      await isSound(t, page, `${role}-${size}`);
      await page.locator('[aria-controls="drawer"]').click();
      await isSound(t, page, `${role}-drawer-${size}`);
      if (role === "student") await page.locator(".ask .wide").click();
      else await page.locator("button.quiet.danger").click();
      await isSound(t, page, `${role}-asks-${size}`);
      if (role === "teacher") {
        await page.keyboard.press("Escape");
        await page.locator("#note").fill(hostile.slice(0, 500));
        await page.locator("#note").press("Enter");
        await isSound(t, page, `teacher-marks-${size}`);
        await page.locator('[data-testid="pending"] button').first().click();
        await isSound(t, page, `teacher-toast-${size}`);
      } else {
        await page.locator("#ask").fill(hostile);
        await page.locator(".drawer-bar .row button").nth(1).click();
        await isSound(t, page, `student-cut-${size}`);
        await page.getByTestId("return").filter({ hasText: /0/ }).waitFor();
        await isSound(t, page, `student-back-${size}`);
      }
      await page.context().close();
    }
    t.same(shown.problems, []);
  }
  const narrow = openDesk(t, sizes.narrow);
  const [teacher, student] = [
    await narrow.open(session, "teacher"),
    await narrow.open(session, "student"),
  ];
  await first.publish("session_ended");
  for (const [name, { page }] of Object.entries({ teacher, student })) {
    await page.getByTestId("over").waitFor();
    const badge = page.getByTestId(name === "teacher" ? "count" : "presence");
    t.notOk(await badge.isVisible(), "nobody is said to be there");
    await isSound(t, page, `${name}-over-narrow`);
  }
  await first.page.getByTestId("over").waitFor();
  await isSound(t, first.page, "teacher-over");
});

/** Nothing for axe to say, nothing to scroll sideways; a picture is kept. */
async function isSound(t: Test, page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<axe.AxeResults>("axe.run()");
  t.same(
    found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    [],
    name,
  );
  t.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, name);
  await picture(page, name, true);
}
