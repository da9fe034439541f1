import { randomUUID } from "node:crypto";
import { once, type EventEmitter } from "node:events";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Cluster } from "../../helpers/processes/cluster.js";
import {
  type AnyBrowser,
  type BrowserWindow,
  fill,
  type Reader,
  says,
  type Scheme,
  type Size,
} from "./window.js";

const SCREENSHOTS = fileURLToPath(new URL("../../output/screenshots/lecture/", import.meta.url));
const SIZES: Readonly<Record<string, Size>> = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 360, height: 740 },
};
/** The teacher's comes first; each student has one of the others. */
export const PROTOCOLS = ["polling", "socket.io", "websocket", "eventsource"] as const;
const QUESTIONS = {
  en: ["Why is the derivative the slope?", "Does this hold at a corner?", "Is this in the exam?"],
  ko: ["미분은 왜 기울기인가요?", "꺾인 점에서도 성립하나요?", "시험에 나오나요?"],
};
const NOTES = { en: "The slope is the limit", ko: "기울기는 극한입니다" };
const MISSED = 3;

/** What a return line says in each language: how many were missed, and none of them lost. */
const RETURNED = {
  en: /^back on (replica-\d) after ([\d.]+) s: (\d+) missed events? delivered, 0 lost$/,
  ko: /^([\d.]+)초 만에 (replica-\d) 서버로 복귀: 놓친 이벤트 (\d+)개 전달, 0개 유실$/,
};

/** A lecture that is played in one browser. */
export interface Stage {
  readonly browser: AnyBrowser;
  readonly reader: Reader;
  readonly cluster: Cluster;
  /** Emits the name of each replica that runs again. */
  readonly restarts: EventEmitter;
  /** Screenshots of each state are kept; in both schemes, where the browser can. */
  readonly keepsPictures: boolean;
  readonly print: (line: string) => void;
}

/**
 * Plays a lecture from its first minute to its end: one teacher and three students, each with a protocol of its own, on
 * screens that are read and clicked. Each student's line is cut, and its replica killed, with events between.
 *
 * @throws where anybody misses anything, or says something else than it should
 */
export async function playLecture(stage: Stage): Promise<void> {
  const { browser, reader, cluster, print } = stage;
  const { language } = reader;
  const session = randomUUID();
  const open = async (role: string, protocol: string) => {
    const window = await browser.open(SIZES["desktop"] ?? { width: 1280, height: 800 });
    const address = new URL(cluster.pageOf(session));
    if (role === "") address.searchParams.delete("role");
    else address.searchParams.set("role", role);
    await window.goto(address.href);
    if (role === "") return window;
    await isConnected(window);
    if (protocol !== "socket.io") {
      await window.evaluate(`(() => {
        const picker = document.querySelector("#protocol");
        picker.value = ${JSON.stringify(protocol)};
        picker.dispatchEvent(new Event("change", { bubbles: true }));
      })()`);
      await isConnected(window);
    }
    return window;
  };
  const publish = async (events: readonly object[]) => {
    const response = await fetch(`${cluster.url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": randomUUID() },
      body: JSON.stringify(events),
    });
    if (response.status !== 202) throw new Error(`published: ${String(response.status)}`);
  };

  const home = await open("", "");
  await says(home, "h1");
  await keep(stage, { home }, "0-home");
  await home.close();

  const [teacherProtocol, ...protocols] = PROTOCOLS;
  const teacher = await open("teacher", teacherProtocol);
  const students: BrowserWindow[] = [];
  for (const protocol of protocols) students.push(await open("student", protocol));
  const [first, second, third] = students as [BrowserWindow, BrowserWindow, BrowserWindow];
  await says(teacher, '[data-testid="count"]', /3/);
  for (const student of students) await says(student, '[data-testid="presence"][data-online=true]');
  await keep(stage, { teacher, student: first }, "1-begun");

  for (const [at, student] of students.entries()) {
    await student.click(`[data-vote="${at === 0 ? "OK" : "HARD"}"]`);
    await says(student, '[data-testid="voted"]', /\d/);
    await student.click(".ask button.wide");
    await says(student, ".about .capture, .about");
    await fill(student, "#ask", QUESTIONS[language][at] ?? "");
    if (at === 0) await keep(stage, { student }, "2-asking");
    await student.click('[data-testid="ask"] button[type=submit]');
    await says(teacher, '[data-testid="questions"] li', regexOf(QUESTIONS[language][at] ?? ""));
  }
  // The rest of the class.
  await publish(Array.from({ length: 3 }, () => ({ event: "feedback", feedback_type: "HARD" })));
  await first.click('[data-testid="questions"] li:last-child button');
  await second.click('[data-testid="questions"] li:last-child button');
  await says(teacher, ".likes", /1/);
  await fill(teacher, "#note", NOTES[language]);
  await teacher.click('[data-testid="mark"] button');
  await says(teacher, '[data-testid="offer"]');
  await keep(stage, { teacher }, "3-offered");
  await says(third, '[data-testid="moments"] li', regexOf(NOTES[language]));
  await teacher.click('[data-testid="offer"] button.hard');
  for (const student of students)
    await says(student, '[data-testid="moments"] li[data-kind="hard"]');
  await teacher.click('[data-testid="questions"] li button');
  await keep(stage, { teacher, student: first }, "4-taught");

  for (const [at, student] of students.entries()) {
    const protocol = protocols[at] ?? "";
    await student.click('[aria-controls="drawer"]');
    for (const [what, button] of [
      ["cut", 2],
      ["killed", 3],
    ] as const) {
      const replica = await says(student, '[data-testid="replica"]', /^replica-\d$/);
      const restarted = what === "killed" ? once(stage.restarts, replica) : undefined;
      await student.click(`.drawer-bar .row button:nth-child(${String(button)})`);
      await says(student, '[data-testid="state"]', /끊겨|lost/);
      const notes = Array.from({ length: MISSED }, (_, n) => `${what} ${String(n + 1)}`);
      const capture_url = "/sample-capture.svg";
      await publish(notes.map((note) => ({ event: "important", note, capture_url })));
      if (at === 0) await keep(stage, { student }, `5-${what}`);
      const line = await says(student, '[data-testid="return"]', RETURNED[language]);
      print(`  ${protocol.padEnd(11)} ${what.padEnd(6)} ${line}`);
      await says(student, '[data-testid="moments"] li', regexOf(`${what} ${String(MISSED)}`));
      if (at === 0) await keep(stage, { student }, `6-${what}-back`);
      await restarted;
    }
  }
  const [moments, ...others] = await Promise.all(
    [teacher, ...students].map(async (window) =>
      window.evaluate<string[]>(
        `[...document.querySelectorAll('[data-testid="moments"] li')].map((node) => node.textContent)`,
      ),
    ),
  );
  for (const seen of others.slice(1))
    if (String(seen) !== String(others[0])) throw new Error("students saw different moments");
  if ((others[0]?.length ?? 0) !== 2 + 2 * MISSED * students.length)
    throw new Error(`students saw ${String(others[0]?.length)} moments`);
  if ((moments?.length ?? 0) < 2) throw new Error("the teacher sees what was marked");

  await teacher.click('[aria-controls="drawer"]');
  await keep(stage, { teacher }, "7-drawer");
  await teacher.click(".actions button.danger");
  await says(teacher, "dialog[open] h2");
  await keep(stage, { teacher }, "8-ending", true);
  await teacher.click("dialog button.danger");
  for (const window of [teacher, ...students]) await says(window, '[data-testid="over"]');
  await keep(stage, { teacher, student: third }, "9-over");
  for (const window of [teacher, ...students]) await window.close();
}

async function isConnected(window: BrowserWindow): Promise<void> {
  await says(window, 'body[data-state="connected"]');
}

function regexOf(text: string): RegExp {
  return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
}

/** Screenshots of a state, at each size. */
async function keep(
  stage: Stage,
  windows: Readonly<Record<string, BrowserWindow>>,
  state: string,
  visible = false,
): Promise<void> {
  if (!stage.keepsPictures) return;
  const { browser, reader } = stage;
  await mkdir(SCREENSHOTS, { recursive: true });
  const other: Scheme = reader.scheme === "light" ? "dark" : "light";
  for (const [who, window] of Object.entries(windows)) {
    for (const scheme of [other, reader.scheme]) {
      if (!(await window.show(scheme)) && scheme === other) continue;
      for (const [name, size] of Object.entries(SIZES).toReversed()) {
        await window.resize(size);
        await window.evaluate("scrollTo(0, 0)");
        const overflow = await window.evaluate<number>(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        if (overflow > 0)
          throw new Error(`${state}: ${who} spills ${String(overflow)} px at ${name}`);
        const file = [browser.name, reader.language, scheme, state, who, name].join("-");
        await window.screenshot(`${SCREENSHOTS}${file}.png`, visible);
      }
    }
  }
}
