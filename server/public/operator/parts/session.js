// One session: its state, its newest events, and what comes.

import { h, say } from "../shared/screens/dom.js";
import { number, t } from "../words.js";

const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
/** Older ones are in the history, for who reads that over HTTP. */
const MAX_SHOWN = 200;

/** @param onLook - called with the session to look at, or `undefined` */
export function createSession({ onLook }) {
  const input = h("input", {
    id: "session",
    name: "session",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    maxlength: "64",
    "aria-describedby": "session-hint",
  });
  const hint = h("p", { class: "hint", id: "session-hint" }, t("lookHint"));
  const stop = h("button", { type: "button", class: "quiet", hidden: true }, t("stop"));
  const form = h(
    "form",
    {},
    h("label", { for: "session" }, t("session")),
    h("div", { class: "row" }, input, h("button", { type: "submit" }, t("lookAt")), stop),
    hint,
  );
  const state = h("p", { class: "session-state", "data-testid": "session" });
  const heads = h("p", { class: "hint" });
  const none = h("p", { class: "hint" }, t("noEvents"));
  const list = h("ol", {
    class: "told",
    "data-testid": "told",
    tabindex: "0",
    "aria-labelledby": "look-title",
  });
  const shown = h("div", { hidden: true }, state, heads, none, list);
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    look(input.value.trim());
  });
  stop.addEventListener("click", () => look(undefined));

  function look(session) {
    const isWrong = session !== undefined && !SESSION.test(session);
    say(hint, t(isWrong ? "noSuchSession" : "lookHint"));
    input.setAttribute("aria-invalid", String(isWrong));
    if (!isWrong) onLook(session);
  }

  return {
    root: h(
      "section",
      { id: "look", tabindex: "-1", "aria-labelledby": "look-title" },
      h("h2", { id: "look-title" }, t("look")),
      form,
      shown,
    ),
    /** Begins anew: what comes is of this session, from its newest events on. */
    begin(session) {
      if (session !== undefined) input.value = session;
      stop.hidden = session === undefined;
      shown.hidden = session === undefined;
      list.replaceChildren();
      say(state, "");
      say(heads, "");
      none.hidden = false;
    },
    onState({ heads: at, teacher_online, connections, trouble }) {
      if (trouble) {
        say(state, t("stale", { code: trouble }));
        return;
      }
      const { student: students, teacher: teachers } = connections;
      const counts = t("stateOf", { students: number(students), teachers: number(teachers) });
      say(state, `${counts} ${t(teacher_online ? "teacherIsHere" : "teacherIsAway")}`);
      say(heads, t("heads", { student: at.student ?? "–", teacher: at.teacher ?? "–" }));
    },
    onTold(told) {
      none.hidden = true;
      list.prepend(make(told));
      while (list.children.length > MAX_SHOWN) list.lastElementChild.remove();
    },
  };
}

function make({ role, offset, event, lost }) {
  const to = h("span", { class: "to" }, t(role === "student" ? "toStudent" : "toTeacher"));
  if (lost) return h("li", {}, to, h("span", {}, t("lostHistory")));
  const { event: name, ...fields } = event;
  return h(
    "li",
    { "data-event": name },
    to,
    h("code", { class: "name" }, name),
    h("code", { class: "offset" }, offset),
    h("code", { class: "fields" }, JSON.stringify(fields)),
  );
}
