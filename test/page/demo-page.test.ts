import { randomUUID } from "node:crypto";
import { type Browser, type BrowserContextOptions, chromium } from "playwright-core";
import t, { type Test } from "tap";
import type { Role } from "@inthon/emitter/protocol";
import { type Cluster, startCluster } from "../helpers/processes/cluster.js";
import {
  isConnected,
  openDesk as openDeskOf,
  openLecture,
  picture,
  reads,
  viewOf,
} from "./helpers/demo-page.js";
import { sign, withSecret } from "../gate/helpers/issuers.js";
import { startServer } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";

/** The contract's table, in the order in which a lecture would go: who causes it, and who hears it. */
const lecture: readonly {
  readonly name: string;
  /** Where there are several: the first. */
  readonly button?: string;
  readonly from: Role;
  readonly to: readonly Role[];
  readonly reads: string;
}[] = [
  { name: "feedback", from: "student", to: ["teacher"], reads: "A student follows: OK" },
  {
    name: "feedback",
    button: "This is hard",
    from: "student",
    to: ["teacher"],
    reads: "A student finds this hard",
  },
  {
    name: "question_intent",
    from: "student",
    to: ["teacher"],
    reads: "A student has a question (number 1)",
  },
  {
    name: "question_capture",
    from: "teacher",
    to: ["student"],
    reads: "This is what question 1 is about",
  },
  {
    name: "new_question",
    from: "student",
    to: ["teacher", "student"],
    reads: "Question 1: 미분은 왜 기울기인가요?",
  },
  {
    name: "question_like_update",
    from: "student",
    to: ["teacher", "student"],
    reads: "1 student wonders too (question 1)",
  },
  {
    name: "hard_alert",
    from: "teacher",
    to: ["teacher", "student"],
    reads: "Many find this part hard",
  },
  {
    name: "important",
    from: "teacher",
    to: ["student"],
    reads: "Important: This will be in the exam",
  },
  { name: "teacher_presence", from: "teacher", to: ["student"], reads: "The teacher has left" },
  {
    name: "session_ended",
    from: "teacher",
    to: ["teacher", "student"],
    reads: "The lecture is over",
  },
];

let cluster: Cluster;
let browser: Browser;
t.before(async () => {
  const executablePath = await ensureTool("chromium");
  cluster = await startCluster({ replicas: 3, loadBalancer: true });
  t.teardown(async () => cluster.stop());
  browser = await chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  t.teardown(async () => browser.close());
});

const openDesk = (test: Test, options: BrowserContextOptions & { url?: string } = {}) =>
  openDeskOf(browser, test, { url: cluster.loadBalancer.url, ...options });

t.test(
  "a lecture over two replicas: every event reaches its audience, and nobody else",
  async (t) => {
    const desk = openDesk(t);
    const { teacher, student, teacherPage, studentPage } = await openLecture(desk);
    t.not(await teacher.replica.textContent(), await student.replica.textContent());
    for (const { replica } of [teacher, student]) await reads(replica, /^replica-[123]$/);

    const views = { teacher, student };
    await student.root.getByLabel("Text").fill("미분은 왜 기울기인가요?");
    await teacher.root.getByLabel("The teacher is").selectOption("false");
    for (const { name, button, from, to, reads: text } of lecture) {
      if (name === "session_ended") {
        await picture(teacherPage, "teacher");
        await picture(studentPage, "student");
      }
      await views[from].send(name, button);
      for (const role of to) await reads(views[role].event(name), text);
    }

    // Each room has one order, and its last event is here: what has not come by now does not come.
    for (const role of ["teacher", "student"] as const) {
      const due = lecture.filter(({ to }) => to.includes(role)).map(({ name }) => name);
      t.same(await views[role].heard(), due, `the ${role} heard these and no other`);
      await reads(views[role].root.getByTestId("over"), "The lecture is over.");
      await reads(views[role].state, "Disconnected");
    }
    await picture(studentPage, "lecture-over");

    await student.press("toggle");
    await isConnected(student);
    t.notOk(await student.root.getByTestId("over").isVisible(), "Connect joins again");
    t.same(desk.problems, []);
  },
);

t.test(
  "an event shows its time, its exact JSON with the offset, and a link to its capture",
  async (t) => {
    const desk = openDesk(t);
    const tab = await desk.open(randomUUID());
    const student = tab.view("student");
    await tab.view("teacher").send("question_capture");
    const entry = student.event("question_capture");
    const link = entry.getByRole("link");
    t.equal(
      await link.getAttribute("href"),
      new URL("/sample-capture.svg", cluster.loadBalancer.url).href,
    );
    await reads(entry.locator("time"), /^\d\d:\d\d:\d\d$/);
    await entry.locator("summary").click();
    const raw = (await entry.locator("pre").textContent()) ?? "";
    t.match(raw, /\n\noffset \S+-\d+$/);
    t.match(JSON.parse(raw.slice(0, raw.indexOf("\n\noffset"))), {
      event: "question_capture",
      question_id: 1,
      capture_url: "/sample-capture.svg",
      created_at: /^\d{4}-.*Z$/,
    });
    const [capture] = await Promise.all([tab.page.waitForEvent("popup"), link.click()]);
    await capture.waitForLoadState();
    t.equal(capture.url(), new URL("/sample-capture.svg", cluster.loadBalancer.url).href);
    // Some browsers ask for it beside a picture that is shown alone.
    const icon = await capture.request.get("/favicon.ico");
    t.match(icon.headers(), { "content-type": /^image\/svg/ });
    t.same(desk.problems, []);
  },
);

t.test("what a publisher writes never becomes markup or an unsafe link", async (t) => {
  const desk = openDesk(t);
  const tab = await desk.open(randomUUID());
  const teacher = tab.view("teacher");
  const markup = "<img src=x onerror=alert(1)><b>bold</b>";
  const composer = teacher.root.locator('[data-composer="important"]');
  await composer.getByLabel("Note").fill(markup);
  await teacher.send("important");
  const entry = tab.view("student").event("important");
  await reads(entry, `Important: ${markup}`);
  t.equal(await entry.locator("img, b, a").count(), 0);
  t.same(desk.problems, []);
  await composer.getByLabel("Capture link").fill("javascript:alert(1)");
  await teacher.send("important");
  await reads(composer.locator("output"), /^400: .*\/capture_url/s);
});

t.test("students see the teacher come and go", async (t) => {
  const desk = openDesk(t);
  const { student, teacherPage } = await openLecture(desk);
  await reads(student.presence, "The teacher is here");
  await teacherPage.close();
  await reads(student.presence, "The teacher is away");
  await reads(student.event("teacher_presence"), "The teacher has left");
  const session = new URL(student.root.page().url()).searchParams.get("session") ?? "";
  await desk.open(session, "teacher");
  await reads(student.presence, "The teacher is here");
  t.same(await student.heard(), ["teacher_presence", "teacher_presence"], "once per change");
  t.same(desk.problems, []);
});

t.test("every transport carries events both ways, and answers pings", async (t) => {
  const desk = openDesk(t);
  const { teacher, student, studentPage } = await openLecture(desk);
  const urls: string[] = [];
  studentPage.on("request", (request) => urls.push(request.url()));

  for (const transport of ["polling", "plain", "websocket"]) {
    for (const view of [teacher, student]) {
      await view.choose(transport);
      await isConnected(view);
      await view.press("ping");
      await reads(view.root.getByTestId("round-trip"), /^\d+\.\d ms$/);
      await reads(view.replica, transport === "plain" ? /^plain WebSocket$/ : /^replica-[123]$/);
      await reads(view.state, "Connected by WebSocket");
      await view.press("clear");
    }
    await teacher.send("hard_alert");
    await student.send("feedback");
    for (const view of [teacher, student]) await view.event("hard_alert").waitFor();
    await teacher.event("feedback").waitFor();
    t.notOk((await student.heard()).includes("feedback"), `${transport}: not to students`);
  }
  t.ok(
    urls.some((url) => url.includes("transport=polling")),
    "polling was polling, at first",
  );

  await student.choose("plain");
  await isConnected(student);
  await teacher.send("session_ended");
  await reads(student.root.getByTestId("over"), "The lecture is over.");
  await reads(student.state, "Disconnected");
  t.same(desk.problems, []);
});

t.test("a line that was lost comes back with what was missed, once and in order", async (t) => {
  const desk = openDesk(t);
  const session = randomUUID();
  const teacher = (await desk.open(session, "teacher")).view("teacher");
  const overSocketIo = (await desk.open(session, "student")).view("student");
  const overPlain = (await desk.open(session, "student")).view("student");
  await overPlain.choose("plain");
  await reads(overPlain.replica, "plain WebSocket");
  const students = [overSocketIo, overPlain];
  for (const student of students) {
    await isConnected(student);
    await student.press("clear");
    await student.press("lose");
    await reads(student.state, "Reconnecting");
  }

  const missed = ["important", "hard_alert", "question_capture"];
  for (const name of missed) {
    await teacher.send(name);
    await reads(teacher.root.locator(`[data-composer="${name}"] output`), "Stored and published");
  }
  for (const student of students) {
    await student.root.locator('[data-notice="resumed"]').waitFor();
    await student.event("question_capture").waitFor();
    t.same(await student.heard(), ["connected", ...missed]);
  }
  t.same(desk.problems, []);
});

t.test("what the server refuses is shown beside the field's form, with the path", async (t) => {
  const desk = openDesk(t);
  const student = (await desk.open(randomUUID())).view("student");
  const composer = student.root.locator('[data-composer="question_intent"]');
  await composer.getByLabel("Question").fill("-1");
  await student.send("question_intent");
  await reads(composer.locator("output"), /^400: .*\/question_id/s);
  t.match(desk.problems, [/^400 /, /^console: .*400/]);
  t.equal(desk.problems.length, 2, "the refusal, and the browser's word on it");
});

t.test("a server with publish keys is given one, which the tab keeps", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: "let-me-in-let-me-in" } });
  t.teardown(async () => server.stop());
  const desk = openDesk(t, { url: server.url });
  const tab = await desk.open(randomUUID());
  const student = tab.view("student");
  const key = tab.page.getByLabel("This server asks for a publish key");
  await student.send("feedback");
  await reads(student.root.locator('[data-composer="feedback"] output'), "401: ");
  await picture(tab.page, "publish-key");
  await key.fill("let-me-in-let-me-in");
  await key.press("Enter");
  await tab.view("teacher").event("feedback").waitFor();
  await tab.page.reload();
  await isConnected(student);
  await student.send("question_intent");
  await tab.view("teacher").event("question_intent").waitFor();
  t.notOk(await key.isVisible(), "it is not asked for again");
  t.match(desk.problems, [/^401 /, /^console: .*401/]);
  t.equal(desk.problems.length, 2, "the refusal, and the browser's word on it");
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
  await page.goto(`/?session=${session}`);
  const view = viewOf(page, "student");
  await reads(view.state, "no right token");
  await page.goto(`/?session=${session}#teacher=${teacher}&student=${student}`);
  for (const role of ["teacher", "student"] as const) await isConnected(viewOf(page, role));
  t.equal(new URL(page.url()).hash, "", "the address that is shown and copied has none");
  await view.choose("plain");
  await isConnected(view);
  await view.send("feedback");
  const key = page.getByLabel("This server asks for a publish key");
  await key.fill(await tokenOf("publisher"));
  await key.press("Enter");
  await viewOf(page, "teacher").event("feedback").waitFor();
});

t.test("without a session the page shows the README's, and leads to its other tabs", async (t) => {
  const desk = openDesk(t, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await desk.blank();
  await page.goto("/");
  await isConnected(viewOf(page, "student"));
  const session = "lecture-1";
  t.equal(new URL(page.url()).search, `?session=${session}`);

  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("Copied.").waitFor();
  t.equal(await page.evaluate("navigator.clipboard.readText()"), page.url());

  const [second] = await Promise.all([
    page.waitForEvent("popup"),
    page.getByRole("link", { name: "Student in a new tab" }).click(),
  ]);
  await isConnected(viewOf(second, "student"));
  t.equal(new URL(second.url()).search, `?session=${session}&view=student`);
  t.equal(await second.locator("[data-view]").count(), 1);
  await viewOf(page, "teacher").send("important");
  await viewOf(second, "student").event("important").waitFor();

  await page.getByRole("link", { name: "New session" }).click();
  await isConnected(viewOf(page, "student"));
  const another = new URL(page.url()).searchParams.get("session") ?? "";
  t.match(another, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.same(desk.problems, []);
});

t.test("both views fit a laptop, in light and dark, and a phone", async (t) => {
  for (const [name, options] of Object.entries({
    "both-light": { colorScheme: "light" as const },
    "both-dark": { colorScheme: "dark" as const },
    phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
  })) {
    const desk = openDesk(t, options);
    const tab = await desk.open(randomUUID());
    await tab.view("student").send("question_intent");
    await tab.view("teacher").send("question_capture");
    await tab.view("student").event("question_capture").waitFor();
    await tab.view("student").send("new_question");
    await tab.view("teacher").event("new_question").waitFor();
    await tab.view("teacher").send("important");
    await tab.view("student").event("important").waitFor();
    await picture(tab.page, name);
    await picture(tab.page, `${name}-whole`, true);
    t.equal(await tab.page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, name);
    t.same(desk.problems, []);
  }
});

t.test(
  "the documents are read and tried in their pages, which load nothing from elsewhere",
  async (t) => {
    const desk = openDesk(t);
    const page = await desk.blank();
    const origins = new Set<string>();
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) origins.add(new URL(request.url()).origin);
    });
    const policyOf = async (path: string) => {
      const response = await page.goto(path);
      return response?.headerValue("content-security-policy");
    };

    t.match(await policyOf("/docs"), /^default-src 'none'; script-src 'self'; style-src 'self';/);
    const operation = page.locator("#operations-Operate-lives");
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.getByRole("button", { name: "Execute" }).click();
    await reads(operation.locator(".live-responses-table"), /"status": "ok"/);
    await picture(page, "docs-http");

    const session = randomUUID();
    t.match(
      await policyOf("/docs/events"),
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    for (const { name } of lecture) await page.locator(`article#${name}`).waitFor();
    const heard = page.locator("#heard");
    for (const by of ["webSocket", "eventStream"]) {
      await page.locator('[name="session"]').fill(session);
      await page.locator('[name="by"]').selectOption(by);
      const before = await heard.getByText("connected").count();
      await page.getByRole("button", { name: "Connect" }).click();
      await heard.getByText('"event":"connected"').nth(before).waitFor();
    }
    await picture(page, "docs-events", true);
    t.same([...origins], [new URL(cluster.loadBalancer.url).origin]);
    t.same(desk.problems, []);
  },
);
