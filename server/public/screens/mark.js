// Marking a moment: it is sent some seconds later, until when it can be undone.

import { t } from "../words/words.js";
import { h, say } from "./dom.js";
import { card } from "./parts.js";

const UNDO_MS = 5_000;
const MAX_NOTE = 500;

/** @param send - publishes `{ note, atMs }`, at once where the page is left; resolves with whether it is out */
export function createMark({ send, toast }) {
  const note = h("input", { id: "note", name: "note", maxlength: MAX_NOTE, autocomplete: "off" });
  const button = h("button", { type: "submit" }, t("markButton"));
  const form = h(
    "form",
    { "data-testid": "mark" },
    h("label", { for: "note" }, t("markLabel")),
    h("div", { class: "row" }, note, button),
  );
  const text = h("p", { class: "pending-note" });
  const seconds = h("p", { class: "hint" });
  const undo = h("button", { type: "button", class: "quiet" }, t("undo"));
  const now = h("button", { type: "button" }, t("sendNow"));
  const pending = h(
    "div",
    { class: "pending", hidden: true, "data-testid": "pending" },
    h("div", {}, text, seconds),
    h("div", { class: "row" }, undo, now),
  );

  /** What waits: `{ note, atMs }`. */
  let waits;
  let timer;

  const stop = () => {
    clearInterval(timer);
    const was = waits;
    waits = undefined;
    // The focus was on what goes now.
    const hadFocus = pending.contains(document.activeElement);
    pending.hidden = true;
    form.hidden = false;
    if (hadFocus) note.focus();
    return was;
  };
  const go = async (how) => {
    const was = stop();
    if (!was) return;
    if (await send(was, how)) toast(t("markSent"));
    else note.value ||= was.note;
  };
  const count = () => {
    const left = waits.atMs + UNDO_MS - Date.now();
    if (left <= 0) return void go();
    say(seconds, t("markPending", { seconds: Math.ceil(left / 1_000) }));
  };

  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    waits = { note: note.value.trim(), atMs: Date.now() };
    note.value = "";
    say(text, waits.note || t("markNoNote"));
    form.hidden = true;
    pending.hidden = false;
    undo.focus();
    count();
    timer = setInterval(count, 250);
  });
  undo.addEventListener("click", () => {
    const was = stop();
    note.value = was?.note ?? "";
    toast(t("markUndone"));
  });
  now.addEventListener("click", () => void go());
  // Who leaves has not undone it.
  addEventListener("pagehide", () => void go({ keepalive: true }));

  const { root } = card("mark", t("markTitle"), form, pending);
  return { root, isWaiting: () => waits !== undefined };
}
