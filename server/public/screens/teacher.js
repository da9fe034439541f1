// The teacher's screen: how the class follows, what it asks, who is here, and what the teacher tells it.

import { countAsking } from "../lecture/lecture.js";
import { readSession } from "../line/history.js";
import { t } from "../words/words.js";
import { h, say } from "./dom.js";
import { keptSet } from "./kept.js";
import { createMark } from "./mark.js";
import { createPaceCard } from "./pace-card.js";
import { card, createMoments, showPicture } from "./parts.js";
import { createQuestions } from "./questions.js";

const COUNT_MS = 5_000;
const KEPT_SLIDE = "inthon-slide";
const SAMPLE_SLIDE = "/sample-capture.svg";

export function createTeacher({ session, send, toast, story, redraw }) {
  const answered = keptSet(`inthon-answered-${session}`);
  const slide = createSlide();
  const pace = createPaceCard({
    async alert() {
      const isOut = await send({ event: "hard_alert", capture_url: slide.url() });
      if (isOut) toast(t("alertSent"));
      return isOut;
    },
  });
  const questions = createQuestions({
    kept: answered,
    isDone: (id) => answered.has(id),
    label: ({ id }) => ({
      text: t(answered.has(id) ? "markOpen" : "markAnswered"),
      pressed: answered.has(id),
    }),
    act({ id }) {
      answered.put(id, !answered.has(id));
      redraw();
    },
  });
  const mark = createMark({
    toast,
    async send({ note, atMs }, how) {
      const event = {
        event: "important",
        note,
        capture_url: slide.url(),
        created_at: new Date(atMs).toISOString(),
      };
      const stored = await send(event, how);
      if (stored) story.learn({ name: "important", event, offset: stored.offsets?.student });
      return stored;
    },
  });
  const moments = createMoments();
  const count = createCount(session);
  const end = createEnd({ send });

  return {
    badge: count.badge,
    actions: [end.button],
    content: [
      h("div", { class: "column" }, pace.root, mark.root, slide.root, moments.root),
      h("div", { class: "column" }, questions.root),
      end.dialog,
    ],
    hear({ name, event }) {
      // A question is about what is on the screen when its writer begins. Of several screens one tells it.
      if (name !== "question_intent" || slide.url() === null) return;
      const shown = {
        event: "question_capture",
        question_id: event.question_id,
        capture_url: slide.url(),
      };
      void send(shown, { key: `capture-${session}-${String(event.question_id)}` }).then(
        (stored) => {
          if (stored) story.learn({ name: shown.event, event: shown });
        },
      );
    },
    connected: count.ask,
    draw(lecture, nowMs) {
      pace.draw(lecture, nowMs);
      moments.draw(lecture);
      const asking = countAsking(lecture, nowMs);
      questions.draw(lecture, asking > 0 ? t("asking", { count: asking }) : "");
      for (const each of [end.button, mark.root, slide.root]) each.hidden = lecture.isOver;
    },
  };
}

/** What students see on the wall now: the page cannot look, so the teacher says where a picture of it is. */
function createSlide() {
  const input = h("input", {
    id: "slide",
    name: "slide",
    value: sessionStorage.getItem(KEPT_SLIDE) ?? SAMPLE_SLIDE,
    inputmode: "url",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 2_000,
    "aria-describedby": "slide-hint",
  });
  const place = h("div", { class: "picture-place" });
  const url = () => input.value.trim() || null;
  const show = () => {
    sessionStorage.setItem(KEPT_SLIDE, input.value);
    showPicture(place, url());
  };
  input.addEventListener("change", show);
  showPicture(place, url());
  const { root } = card(
    "slide",
    t("slideTitle"),
    h(
      "div",
      { class: "slide-row" },
      place,
      h(
        "div",
        {},
        h("label", { for: "slide" }, t("slideLabel")),
        input,
        h("p", { class: "hint", id: "slide-hint" }, t("slideHint")),
      ),
    ),
  );
  return { root, url };
}

/** Who is here, over all replicas: asked for while the page is seen. */
function createCount(session) {
  const badge = h("p", { class: "badge", "data-testid": "count" });
  const ask = async () => {
    if (document.hidden) return;
    const state = await readSession(session, "teacher").catch(() => undefined);
    const students = state?.connections?.student;
    if (students === undefined) return;
    const teachers = state.connections.teacher;
    const here =
      students === 0
        ? t("nobodyHere")
        : t(students === 1 ? "studentHere" : "studentsHere", { count: students });
    say(badge, teachers > 1 ? `${here} · ${t("teachersHere", { count: teachers })}` : here);
    badge.dataset.online = String(students > 0);
  };
  setInterval(ask, COUNT_MS);
  document.addEventListener("visibilitychange", ask);
  return { badge, ask };
}

function createEnd({ send }) {
  const confirm = h("button", { type: "button", class: "danger" }, t("endConfirm"));
  const cancel = h("button", { type: "button", class: "quiet", autofocus: true }, t("cancel"));
  const dialog = h(
    "dialog",
    { "aria-labelledby": "end-title", "aria-describedby": "end-hint" },
    h("h2", { id: "end-title" }, t("endTitle")),
    h("p", { id: "end-hint" }, t("endHint")),
    h("div", { class: "row" }, cancel, confirm),
  );
  const button = h("button", { type: "button", class: "quiet danger" }, t("endButton"));
  button.addEventListener("click", () => dialog.showModal());
  cancel.addEventListener("click", () => dialog.close());
  confirm.addEventListener("click", () => {
    dialog.close();
    void send({ event: "session_ended" });
  });
  return { dialog, button };
}
