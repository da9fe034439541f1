// What the two screens share: one connection, the lecture it tells, what is sent, and how the page says things.

import { createDrawer } from "../drawer/drawer.js";
import { createStory } from "../lecture/story.js";
import { connect } from "../line/connection.js";
import { randomId } from "../line/ids.js";
import { publish } from "../line/publish.js";
import { t } from "../words/words.js";
import { createAnnouncer } from "./announcer.js";
import { drawsSoon, h, keepingFocus, say } from "./dom.js";
import { languageSwitch } from "./home.js";
import { createKeyForm } from "./key-form.js";
import { createStudent } from "./student.js";
import { createTeacher } from "./teacher.js";

/** The chart moves, and "a moment ago" ends, also where nothing happens. */
const REDRAW_MS = 5_000;
const MAX_FAILED = 20;

export function openScreen({ session, role }) {
  const announcer = createAnnouncer();
  const keyForm = createKeyForm();
  const line = h("p", { class: "line", "data-testid": "state" });
  const again = h("button", { type: "button", class: "quiet", hidden: true }, t("connectAgain"));
  const over = h(
    "div",
    { class: "notice", role: "status", hidden: true, "data-testid": "over" },
    h("p", {}, h("strong", {}, t("over")), " ", t("overHint")),
    h("a", { href: "/" + `?session=${randomId()}` }, t("startNew")),
  );
  const noHistory = h("p", { class: "notice", hidden: true }, t("noHistory"));
  const story = createStory({ session, role, changed: () => redraw() });

  const context = { session, role, story, send, toast: announcer.toast, redraw: () => redraw() };
  const screen = role === "teacher" ? createTeacher(context) : createStudent(context);
  const drawer = createDrawer({ ...context, choose: join, lose: (ms) => connection.lose(ms) });
  const redraw = drawsSoon(draw);
  setInterval(redraw, REDRAW_MS);

  const root = document.body;
  root.dataset.role = role;
  const main = h(
    "main",
    { id: "lecture", tabindex: "-1" },
    over,
    noHistory,
    keyForm.root,
    h("div", { class: "columns" }, ...screen.content),
  );
  root.append(
    h("a", { class: "skip", href: "#lecture" }, t("skip")),
    h(
      "header",
      { class: "masthead" },
      h(
        "a",
        { class: "brand", href: `/?session=${session}` },
        h("img", { src: "favicon.svg", alt: t("home"), width: 32, height: 32 }),
      ),
      h("div", { class: "who" }, h("h1", {}, session), h("p", { class: "role" }, t(role))),
      h("div", { class: "here" }, screen.badge, line, again),
      h("div", { class: "actions" }, languageSwitch(), drawer.toggle, ...screen.actions),
    ),
    main,
    drawer.root,
    announcer.root,
  );

  let connection;
  again.addEventListener("click", () => join());
  redraw();
  join();

  function join(protocol = drawer.protocol()) {
    connection?.close();
    const mine = {};
    const isMine = () => !mine.connection || mine.connection === connection;
    // A connection that was replaced may still have a last word: it is not this page's any more.
    mine.connection = connection = connect({
      session,
      role,
      protocol,
      report: (state) => isMine() && onState(state),
      receive: (told) => isMine() && onEvent(told),
    });
    drawer.joined(connection);
  }

  function onState(state) {
    root.dataset.state = state.phase;
    const words =
      state.phase === "disconnected"
        ? (reasonWords(state.reason, role) ?? "disconnected")
        : state.phase;
    say(line, words === state.phase ? t(words) : words);
    keepingFocus(
      () => (again.hidden = state.phase !== "disconnected"),
      () => main,
    );
    drawer.onState(state);
    if (state.phase !== "connected") return;
    // Whoever was given what it missed has the lecture already.
    if (state.resumed !== true) void story.fill().then(redraw);
    screen.connected?.();
  }

  function onEvent(told) {
    const before = story.lecture;
    story.hear(told);
    drawer.hear(told);
    screen.hear?.(told);
    if (told.name === "new_question" && story.lecture !== before) announcer.tell(t("sayQuestion"));
    if (told.name === "important") announcer.tell(t("sayMoment"));
  }

  function draw() {
    const { lecture } = story;
    keepingFocus(
      () => {
        over.hidden = !lecture.isOver;
        // Who was there last is nobody's presence any more.
        screen.badge.hidden = lecture.isOver;
        noHistory.hidden = story.knowsHistory;
        screen.draw(lecture, Date.now());
      },
      () => main,
    );
  }

  /** Only what failed before is the same event again: two taps on "OK" are two votes. */
  const failed = new Map();

  /** Publishes an event; says so where that fails. @returns what `publish` does, or `undefined` */
  async function send(event, options = {}) {
    const json = JSON.stringify(event);
    const key = options.key ?? failed.get(json) ?? randomId();
    failed.delete(json);
    const result = await publish(session, event, { ...options, key });
    if (result.kind === "stored") return result;
    failed.set(json, key);
    if (failed.size > MAX_FAILED) failed.delete(failed.keys().next().value);
    if (result.needsKey) {
      return new Promise((resolve) => {
        keyForm.ask(() => {
          void story.fill();
          resolve(send(event, options));
        });
      });
    }
    const text = result.status === undefined ? t("failed") : t("refused", result);
    announcer.toast(text, "bad");
    return undefined;
  }
}

function reasonWords(reason, role) {
  const words = {
    unauthorized: "reasonToken",
    token_expired: "reasonExpired",
    forbidden: "reasonForbidden",
  };
  return words[reason] && t(words[reason], { role });
}
