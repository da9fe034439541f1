// One role's view: its connection, what it hears, and what it may send.

import { addComposers, suggest } from "./composers.js";
import { connect } from "./connection.js";
import { createFeed } from "./feed.js";

const LOST_LINE_MS = 5_000;
const TITLE = { teacher: "Teacher", student: "Student" };

export function createView({ role, session }) {
  const root = document.querySelector("#view").content.firstElementChild.cloneNode(true);
  const find = (selector) => root.querySelector(selector);
  const action = (name) => find(`[data-action="${name}"]`);
  const show = (id, text) => (find(`[data-testid="${id}"]`).textContent = text);

  root.dataset.view = role;
  root.setAttribute("aria-label", `${TITLE[role]}'s view`);
  find("h2").textContent = TITLE[role];
  find(".feed-scroll").setAttribute("aria-label", `Events received by the ${role}`);
  addComposers(find(".compose"), { role, session });

  const feed = createFeed(find("ol"));
  let connection;
  let phase = "disconnected";
  let ended = false;

  function join() {
    ended = false;
    find(".over").hidden = true;
    const mine = {};
    mine.connection = connection = connect({
      session,
      role,
      transport: action("transport").value,
      // A connection that was replaced may still have a last word: it is not this view's any more.
      report: (state) => (!mine.connection || mine.connection === connection) && onState(state),
      receive: (...event) => mine.connection === connection && onEvent(...event),
    });
  }

  function leave() {
    connection?.close();
  }

  function onState(state) {
    const before = phase;
    phase = state.phase;
    root.dataset.state = ended && phase === "disconnected" ? "ended" : phase;
    show("state", describe(state));
    show("replica", state.replica ?? "–");
    find('[data-testid="replica"]').dataset.hue = state.replica ? hue(state.replica) : "";
    if (phase !== "connected") {
      presence(undefined);
      show("round-trip", "–");
    } else if (role === "teacher") presence(true);

    action("toggle").textContent = phase === "disconnected" ? "Connect" : "Disconnect";
    action("ping").disabled = action("lose").disabled = phase !== "connected";
    find(".over").hidden = root.dataset.state !== "ended";

    if (phase === "connected" && before === "reconnecting") {
      if (state.resumed)
        feed.notice(`Back on ${state.replica}: what was missed follows`, "resumed");
      if (state.resumed === false) feed.notice("Back, but history no longer reaches so far", "gap");
    }
    if (before === "connected" && phase === "reconnecting") {
      feed.notice(`Line lost (${state.reason})`, "lost");
    }
    if (before !== "disconnected" && phase === "disconnected" && !ended) {
      feed.notice(describe(state), "lost");
    }
  }

  function onEvent(name, event, offset) {
    if (name === "session_ended") ended = true;
    if (name === "connected" && role === "student") presence(event.teacher_online);
    if (name === "teacher_presence") presence(event.is_online);
    feed.event(name, event, offset);
    carryOn(name, event);
  }

  function presence(online) {
    const badge = find('[data-testid="presence"]');
    badge.dataset.online = online ?? "unknown";
    if (role === "teacher") {
      badge.textContent = online ? "Students see you as here" : "Not connected";
    } else if (online === undefined) badge.textContent = "Not connected";
    else badge.textContent = online ? "The teacher is here" : "The teacher is away";
  }

  action("toggle").addEventListener("click", () => (phase === "disconnected" ? join() : leave()));
  action("lose").addEventListener("click", () => connection.lose(LOST_LINE_MS));
  action("clear").addEventListener("click", () => feed.clear());
  action("transport").addEventListener("change", () => {
    connection?.close();
    join();
  });
  action("ping").addEventListener("click", async () => {
    show("round-trip", "…");
    try {
      show("round-trip", `${(await connection.ping()).toFixed(1)} ms`);
    } catch {
      show("round-trip", "no answer");
    }
  });

  return { root, join };
}

const REASONS = {
  "io client disconnect": "by you",
  "io server disconnect": "by the server",
  unauthorized: "no right token: open this page with #teacher=TOKEN&student=TOKEN",
  token_expired: "the token has run out: open this page with a fresh one",
  forbidden: "the token is for another session or role",
};

function describe({ phase, reason, transport }) {
  switch (phase) {
    case "connecting":
      return "Connecting…";
    case "connected":
      return `Connected by ${transport === "polling" ? "polling" : "WebSocket"}`;
    case "reconnecting":
      return `Reconnecting… (${reason})`;
    default:
      return `Disconnected (${REASONS[reason] ?? reason})`;
  }
}

/** The same replica has the same colour in every tab. */
function hue(replica) {
  let sum = 0;
  for (const character of replica) sum = (sum * 31 + character.codePointAt(0)) % 6_000;
  return String(sum % 6);
}

/** The next step of a question starts from what was heard of it. */
function carryOn(name, event) {
  const { question_id, capture_url } = event ?? {};
  switch (name) {
    case "question_intent":
      return suggest("question_capture", { question_id });
    case "question_capture":
      return suggest("new_question", { question_id, capture_url });
    case "new_question":
      suggest("question_intent", { question_id: question_id + 1 });
      return suggest("question_like_update", { question_id, like_count: 1 });
    case "question_like_update":
      return suggest("question_like_update", { question_id, like_count: event.like_count + 1 });
  }
}
