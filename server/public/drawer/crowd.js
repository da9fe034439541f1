// Simulated students, in this page: each has a line of its own. Bounded in number, in time, and in what they send.

import { newQuestionId } from "../line/ids.js";
import { publish } from "../line/publish.js";
import { tokenOf } from "../line/tokens.js";
import { h, say } from "../screens/dom.js";
import { t } from "../words/words.js";

const STUDENTS = 50;
const JOIN_MS = 60;
/** Who has lost its line joins again: so often all of them together. */
const MAX_JOINS = 400;
const TICK_MS = 1_000;
const STAY_MS = 180_000;
const MAX_QUESTIONS = 6;
const QUESTION_MS = 9_000;
/** How long an alert has the teacher go slower. */
const RELIEF_MS = 60_000;
/** The class finds it harder and easier, in waves of so long. */
const WAVE_MS = 90_000;

export function createCrowd({ session, story }) {
  const state = h("p", { class: "hint", "data-testid": "crowd" }, t("crowdHint"));
  const button = h("button", { type: "button" }, t("crowdStart"));
  const root = h(
    "div",
    { class: "crowd" },
    h("h2", {}, t("crowd")),
    state,
    h("div", { class: "row" }, button),
  );
  let lines = [];
  let timers = [];
  let sinceMs;
  let asked = 0;
  let joins = 0;

  button.addEventListener("click", () => (sinceMs === undefined ? start() : stop()));
  addEventListener("pagehide", () => stop());

  function start() {
    sinceMs = Date.now();
    asked = 0;
    joins = 0;
    say(button, t("crowdStop"));
    timers = [setInterval(join, JOIN_MS), setInterval(tick, TICK_MS)];
  }

  function stop() {
    for (const timer of timers) clearInterval(timer);
    for (const line of lines) line.close(1000);
    [timers, lines, sinceMs] = [[], [], undefined];
    say(button, t("crowdStart"));
    say(state, t("crowdHint"));
  }

  function join() {
    const isAway = ({ readyState }) => readyState === WebSocket.CLOSED;
    const away = lines.length < STUDENTS ? lines.length : lines.findIndex(isAway);
    if (away === -1 || joins++ > MAX_JOINS) return;
    const token = tokenOf("student");
    const url = new URL(`/ws/session/${session}/student/`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    lines[away] = new WebSocket(url, token ? ["bearer", token] : []);
  }

  async function tick() {
    const stayedMs = Date.now() - sinceMs;
    const { lecture } = story;
    if (stayedMs > STAY_MS || lecture.isOver) return stop();
    const here = lines.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
    say(state, t("crowdOn", { count: here, seconds: Math.ceil((STAY_MS - stayedMs) / 1_000) }));
    if (here === 0) return;

    const events = votes(lecture, stayedMs);
    if (asked < MAX_QUESTIONS && stayedMs > (asked + 1) * QUESTION_MS) {
      const cleaned_text = t(`crowdQuestion${String(++asked)}`);
      events.push({
        event: "new_question",
        question_id: newQuestionId(),
        cleaned_text,
        capture_url: null,
      });
    }
    const question = lecture.questions.at(-1 - Math.floor(Math.random() * MAX_QUESTIONS));
    if (question && question.likes < here) {
      const like_count = question.likes + 1;
      events.push({ event: "question_like_update", question_id: question.id, like_count });
    }
    const result = await publish(session, events);
    // Who may not publish here has no crowd.
    if (result.kind === "refused" && result.status !== 429 && result.status !== 503) stop();
  }

  function votes({ alertedAtMs }, stayedMs) {
    const isRelieved = Date.now() - alertedAtMs < RELIEF_MS;
    const hard = isRelieved ? 0.1 : 0.4 + 0.25 * Math.sin((stayedMs / WAVE_MS) * 2 * Math.PI);
    const count = 1 + Math.floor(Math.random() * 3);
    return Array.from({ length: count }, () => ({
      event: "feedback",
      feedback_type: Math.random() < hard ? "HARD" : "OK",
    }));
  }

  return { root };
}
