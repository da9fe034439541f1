// The student's screen, made for a phone: say how it goes, ask, wonder with others, look back.

import { newQuestionId } from "../line/ids.js";
import { t, timeOfDay } from "../words/words.js";
import { h, say } from "./dom.js";
import { keptSet } from "./kept.js";
import { card, createMoments, showPicture } from "./parts.js";
import { createQuestions, MAX_QUESTION } from "./questions.js";

/** A finger that trembles votes once. */
const VOTE_PAUSE_MS = 1_500;

export function createStudent({ session, send, toast, story, redraw }) {
  const liked = keptSet(`inthon-liked-${session}`);
  const questions = createQuestions({
    kept: liked,
    isDone: () => false,
    label: ({ id }) => ({ text: t(liked.has(id) ? "liked" : "like"), pressed: liked.has(id) }),
    async act({ id }) {
      if (liked.has(id)) return;
      liked.put(id, true);
      redraw();
      const likes = story.lecture.questions.find((each) => each.id === id)?.likes ?? 0;
      const event = { event: "question_like_update", question_id: id, like_count: likes + 1 };
      if (await send(event)) return;
      liked.put(id, false);
      redraw();
    },
  });
  const votes = createVotes({ send });
  const ask = createAsk({ send, toast });
  const moments = createMoments();
  const presence = h("p", { class: "badge", role: "status", "data-testid": "presence" });

  return {
    badge: presence,
    actions: [],
    content: [
      h("div", { class: "column" }, votes.root, ask.root, moments.root),
      h("div", { class: "column" }, questions.root),
    ],
    draw(lecture) {
      const { teacherOnline, isOver } = lecture;
      const words = { true: "teacherHere", false: "teacherAway", undefined: "teacherUnknown" };
      say(presence, t(words[String(teacherOnline)]));
      presence.dataset.online = String(teacherOnline);
      for (const each of [votes.root, ask.root]) each.hidden = isOver;
      ask.draw(lecture);
      questions.draw(lecture);
      moments.draw(lecture);
    },
  };
}

function createVotes({ send }) {
  const told = h(
    "p",
    { class: "hint", role: "status", "data-testid": "voted" },
    t("voteAnonymous"),
  );
  let pausedUntilMs = 0;
  const vote = (type, title, hint, done) => {
    const button = h(
      "button",
      { type: "button", class: `vote ${type.toLowerCase()}`, "data-vote": type },
      h("strong", {}, t(title)),
      h("span", {}, t(hint)),
    );
    button.addEventListener("click", async () => {
      if (performance.now() < pausedUntilMs) return;
      pausedUntilMs = performance.now() + VOTE_PAUSE_MS;
      if (await send({ event: "feedback", feedback_type: type }))
        say(told, t(done, { time: timeOfDay(Date.now()) }));
    });
    return button;
  };
  const { root } = card(
    "votes",
    t("howIsIt"),
    h(
      "div",
      { class: "vote-row" },
      vote("OK", "voteOk", "voteOkHint", "votedOk"),
      vote("HARD", "voteHard", "voteHardHint", "votedHard"),
    ),
    told,
  );
  return { root };
}

/** First the intent, so that the slide of this moment is kept; then the words. */
function createAsk({ send, toast }) {
  let id;
  const begin = h("button", { type: "button", class: "wide" }, t("askButton"));
  const text = h("textarea", {
    id: "ask",
    name: "ask",
    rows: 3,
    maxlength: MAX_QUESTION,
    required: true,
    "aria-describedby": "ask-hint",
  });
  const place = h("div", { class: "picture-place" });
  const about = h("div", { class: "about", hidden: true }, h("p", {}, t("askCapture")), place);
  const cancel = h("button", { type: "button", class: "quiet" }, t("cancel"));
  const form = h(
    "form",
    { hidden: true, "data-testid": "ask" },
    h("label", { for: "ask" }, t("askLabel")),
    text,
    h("p", { class: "hint", id: "ask-hint" }, t("askHint")),
    about,
    h("div", { class: "row end" }, cancel, h("button", { type: "submit" }, t("askSend"))),
  );
  let captureUrl = null;

  const show = (isOpen) => {
    form.hidden = !isOpen;
    begin.hidden = isOpen;
    begin.setAttribute("aria-expanded", String(isOpen));
    (isOpen ? text : begin).focus();
  };
  begin.addEventListener("click", () => {
    id = newQuestionId();
    captureUrl = null;
    show(true);
    void send({ event: "question_intent", question_id: id });
  });
  cancel.addEventListener("click", () => show(false));
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const cleaned_text = text.value.trim();
    if (cleaned_text === "") return text.focus();
    const event = { event: "new_question", question_id: id, cleaned_text, capture_url: captureUrl };
    if (!(await send(event))) return;
    text.value = "";
    show(false);
    toast(t("askSent"));
  });

  const { root } = card("ask", t("askButton"), begin, form);
  return {
    root,
    draw({ captures }) {
      captureUrl = captures.find((each) => each.id === id)?.url ?? null;
      showPicture(place, form.hidden ? null : captureUrl);
      about.hidden = form.hidden || captureUrl === null;
    },
  };
}
