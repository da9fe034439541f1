// The contract, as this page needs it: who hears an event, and one of each to begin with.

/** @type {Record<string, string[]>} */
export const AUDIENCE = {
  feedback: ["teacher"],
  question_intent: ["teacher"],
  question_capture: ["student"],
  important: ["student"],
  teacher_presence: ["student"],
  new_question: ["teacher", "student"],
  question_like_update: ["teacher", "student"],
  hard_alert: ["teacher", "student"],
  session_ended: ["teacher", "student"],
};

export const SAMPLES = {
  feedback: { feedback_type: "HARD" },
  question_intent: { question_id: 1 },
  question_capture: { question_id: 1, capture_url: "/sample-capture.svg" },
  important: { note: "In the exam", capture_url: null },
  teacher_presence: { is_online: true },
  new_question: {
    question_id: 1,
    cleaned_text: "Why is the derivative the slope?",
    capture_url: null,
  },
  question_like_update: { question_id: 1, like_count: 1 },
  hard_alert: { capture_url: "/sample-capture.svg" },
  session_ended: {},
};

/** The absolute URL behind a capture link, or `null` where it is not one that a page may link to. */
export function safeLink(value) {
  if (typeof value !== "string" || !URL.canParse(value, location.href)) return null;
  const url = new URL(value, location.href);
  return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
}
