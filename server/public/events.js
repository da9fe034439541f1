// The contract, as this page needs it: who hears an event, and how to say it to a person.

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

const PHRASES = {
  connected: (event) =>
    event.role === "teacher"
      ? "Joined as the teacher"
      : `Joined; the teacher is ${event.teacher_online ? "here" : "away"}`,
  pong: () => "Pong",
  feedback: (event) =>
    event.feedback_type === "HARD" ? "A student finds this hard" : "A student follows: OK",
  question_intent: (event) => `A student has a question (number ${event.question_id})`,
  question_capture: (event) => `This is what question ${event.question_id} is about`,
  important: (event) => (event.note ? `Important: ${event.note}` : "Marked as important"),
  teacher_presence: (event) => (event.is_online ? "The teacher is here" : "The teacher has left"),
  new_question: (event) => `Question ${event.question_id}: ${event.cleaned_text}`,
  question_like_update: (event) =>
    event.like_count === 1
      ? `1 student wonders too (question ${event.question_id})`
      : `${event.like_count} students wonder too (question ${event.question_id})`,
  hard_alert: () => "Many find this part hard",
  session_ended: () => "The lecture is over",
};

/** What a person reads for an event. Always plain text: show it with `textContent`. */
export function phrase(name, event) {
  return PHRASES[name]?.(event ?? {}) ?? name;
}

/** The absolute URL behind a capture link, or `null` where it is not one that a page may link to. */
export function safeLink(value) {
  if (typeof value !== "string" || !URL.canParse(value, location.href)) return null;
  const url = new URL(value, location.href);
  return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
}
