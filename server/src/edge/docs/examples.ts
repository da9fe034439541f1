import type {
  ClassroomEvents,
  ConnectedEvent,
  EventName,
  PingMessage,
  PongEvent,
} from "@inthon/emitter/protocol";

// Real ones: tests publish them, and hold what is answered against them.

const created_at = "2025-11-15T12:34:56.789Z";

export const SESSION = "lecture-1";
export const FIRST_OFFSET = "1763210096789-1";

/** Each event, as clients are told it. */
export const EVENT_EXAMPLES: { readonly [Name in EventName]: ClassroomEvents[Name] } = {
  feedback: { event: "feedback", feedback_type: "HARD", created_at },
  question_intent: { event: "question_intent", question_id: 7, created_at },
  question_capture: {
    event: "question_capture",
    question_id: 7,
    capture_url: "/captures/7.png",
    created_at,
  },
  important: { event: "important", note: "Look at this again", capture_url: null, created_at },
  teacher_presence: { event: "teacher_presence", is_online: true, changed_at: created_at },
  new_question: {
    event: "new_question",
    question_id: 7,
    cleaned_text: "Why?",
    capture_url: null,
    created_at,
  },
  question_like_update: { event: "question_like_update", question_id: 7, like_count: 5 },
  hard_alert: { event: "hard_alert", capture_url: "/captures/8.png", created_at },
  session_ended: { event: "session_ended" },
};

export const CONNECTED_EXAMPLE: ConnectedEvent = {
  event: "connected",
  session_id: SESSION,
  role: "student",
  teacher_online: true,
};
export const PONG_EXAMPLE: PongEvent = { event: "pong" };
export const PING_EXAMPLE: PingMessage = { type: "ping" };

/** What a publisher may send. */
export const BODY_EXAMPLES = {
  one: { event: "important", note: "Look at this again", capture_url: null },
  several: [
    { event: "new_question", question_id: 7, cleaned_text: "Why?", capture_url: null },
    { event: "question_like_update", question_id: 7, like_count: 5 },
  ],
  end: { event: "session_ended" },
};
