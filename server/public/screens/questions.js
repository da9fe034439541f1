// The questions of a lecture: the teacher marks them as answered, students wonder too.

import { LIMITS } from "../lecture/lecture.js";
import { t, timeOfDay } from "../words/words.js";
import { h, keepingFocus, keyed, say } from "./dom.js";
import { card, showPicture } from "./parts.js";

/**
 * @param options - `kept`: what `isDone` and `label` rest on, besides the question; `isDone(id)`: whether it goes below, as answered; `act(question, button)`: what the button of a question
 *   does; `label(question)`: `{ text, pressed }` of that button
 */
export function createQuestions({ kept, isDone, act, label }) {
  const open = h("ul", { class: "questions", "data-testid": "questions" });
  const done = h("ul", { class: "questions", "data-testid": "answered" });
  const none = h("p", { class: "none" }, t("questionsNone"));
  const summary = h("summary");
  const below = h("details", { class: "below", hidden: true }, summary, done);
  const { root, aside } = card("questions-card", t("questionsTitle"), open, none, below);
  const byId = new Map();

  const make = (question) =>
    h(
      "li",
      { class: "question", "data-question": String(question.id) },
      h("p", { class: "question-text" }),
      h("div", { class: "picture-place" }),
      h(
        "div",
        { class: "question-foot" },
        h("span", { class: "likes" }),
        h("time", { datetime: new Date(question.atMs).toISOString() }, timeOfDay(question.atMs)),
        h("button", {
          type: "button",
          class: "quiet",
          onclick: ({ currentTarget }) => act(byId.get(question.id), currentTarget),
        }),
      ),
    );

  const update = (node, question) => {
    say(node.querySelector(".question-text"), question.text);
    showPicture(node.querySelector(".picture-place"), question.captureUrl);
    say(
      node.querySelector(".likes"),
      question.likes > 0 ? t("likes", { count: question.likes }) : "",
    );
    const button = node.querySelector("button");
    const { text, pressed } = label(question);
    say(button, text);
    button.setAttribute("aria-pressed", String(pressed));
  };

  /** What is seen: votes come often, and change none of it. */
  let drawn;
  /** In which question the focus is: `{ list, at, id }`. */
  const placeOfFocus = () => {
    const node = document.activeElement?.closest(".question");
    const list = node?.parentElement;
    if (list !== open && list !== done) return undefined;
    return { list, at: [...list.children].indexOf(node), id: node.dataset.question };
  };
  /** The button of the question that is now where that one was; of the last one, of itself in its new place. */
  const neighbourOf = ({ list, at, id }) => {
    const node =
      list.children[Math.min(at, list.children.length - 1)] ??
      open.querySelector(`[data-question="${id}"]`);
    return node?.querySelector("button") ?? summary;
  };

  return {
    root,
    /** @param note - what stands beside the title */
    draw({ questions }, note = "") {
      if (questions === drawn?.questions && kept.version === drawn.version && note === drawn.note)
        return;
      drawn = { questions, version: kept.version, note };
      byId.clear();
      for (const question of questions) byId.set(question.id, question);
      const ranked = questions.toSorted((a, b) => b.likes - a.likes || b.atMs - a.atMs);
      const [isOpen, isClosed] = [[], []];
      for (const question of ranked) (isDone(question.id) ? isClosed : isOpen).push(question);
      const shared = { keyOf: ({ id }) => id, make, update };
      const had = placeOfFocus();
      keepingFocus(
        () => {
          keyed(open, { items: isOpen, ...shared });
          keyed(done, { items: isClosed, ...shared });
          none.hidden = questions.length > 0;
          below.hidden = isClosed.length === 0;
        },
        () => had && neighbourOf(had),
      );
      say(summary, t("showAnswered", { count: isClosed.length }));
      const count = isOpen.length > 0 ? t("questionsOpen", { count: isOpen.length }) : "";
      say(aside, [count, note].filter(Boolean).join(" · "));
    },
  };
}

/** As many characters as a question may have here. */
export const MAX_QUESTION = Math.min(500, LIMITS.characters);
