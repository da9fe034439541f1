import type { ClassroomEventInput, Role } from "@inthon/emitter/protocol";

/** A row of the contract's table: what is published, and what its audience must receive, to the letter. */
export interface Row {
  readonly what: string;
  readonly publish: ClassroomEventInput;
  readonly audience: readonly Role[];
  readonly json: string;
}

const TEACHER: readonly Role[] = ["teacher"];
const STUDENT: readonly Role[] = ["student"];
const BOTH: readonly Role[] = ["teacher", "student"];
const AT = "2025-11-15T12:34:56.789Z";

/**
 * PROTOCOL.md, section 5, written down by hand: derived from the code, it would agree with any mistake there. Fields
 * are published in another order than they must arrive in.
 */
export const ROWS: readonly Row[] = [
  {
    what: "feedback OK",
    publish: { created_at: AT, feedback_type: "OK", event: "feedback" },
    audience: TEACHER,
    json: `{"event":"feedback","feedback_type":"OK","created_at":"${AT}"}`,
  },
  {
    what: "feedback HARD, with an offset and microseconds",
    publish: {
      created_at: "2025-11-15T21:34:56.789012+09:00",
      feedback_type: "HARD",
      event: "feedback",
    },
    audience: TEACHER,
    json: '{"event":"feedback","feedback_type":"HARD","created_at":"2025-11-15T21:34:56.789012+09:00"}',
  },
  {
    what: "question_intent",
    publish: { created_at: AT, question_id: 123, event: "question_intent" },
    audience: TEACHER,
    json: `{"event":"question_intent","question_id":123,"created_at":"${AT}"}`,
  },
  {
    what: "question_capture",
    publish: {
      created_at: AT,
      capture_url: "https://example.com/capture.png?a=1&b=<2>",
      question_id: 0,
      event: "question_capture",
    },
    audience: STUDENT,
    json: `{"event":"question_capture","question_id":0,"capture_url":"https://example.com/capture.png?a=1&b=<2>","created_at":"${AT}"}`,
  },
  {
    what: "question_capture without a capture",
    publish: { created_at: AT, capture_url: null, question_id: 7, event: "question_capture" },
    audience: STUDENT,
    json: `{"event":"question_capture","question_id":7,"capture_url":null,"created_at":"${AT}"}`,
  },
  {
    what: "important in Korean, with emoji, quotes and U+2028",
    publish: {
      created_at: AT,
      capture_url: "/media/important.png",
      note: '이 부분 꼭 다시 복습하세요 👩🏽‍🏫 "q" \\ / \u2028\u2029\u0000 é',
      event: "important",
    },
    audience: STUDENT,
    json: `{"event":"important","note":"이 부분 꼭 다시 복습하세요 👩🏽‍🏫 \\"q\\" \\\\ / \u2028\u2029\\u0000 é","capture_url":"/media/important.png","created_at":"${AT}"}`,
  },
  {
    what: "important with an empty note",
    publish: { created_at: AT, capture_url: null, note: "", event: "important" },
    audience: STUDENT,
    json: `{"event":"important","note":"","capture_url":null,"created_at":"${AT}"}`,
  },
  {
    what: "teacher_presence",
    publish: { changed_at: AT, is_online: true, event: "teacher_presence" },
    audience: STUDENT,
    json: `{"event":"teacher_presence","is_online":true,"changed_at":"${AT}"}`,
  },
  {
    what: "new_question",
    publish: {
      created_at: AT,
      capture_url: "https://example.com/한글 캡처.png",
      cleaned_text: "질문의 정제된 텍스트 내용 😀",
      question_id: 9_007_199_254_740_991,
      event: "new_question",
    },
    audience: BOTH,
    json: `{"event":"new_question","question_id":9007199254740991,"cleaned_text":"질문의 정제된 텍스트 내용 😀","capture_url":"https://example.com/한글 캡처.png","created_at":"${AT}"}`,
  },
  {
    what: "question_like_update",
    publish: { like_count: 4_294_967_296, question_id: 65_536, event: "question_like_update" },
    audience: BOTH,
    json: '{"event":"question_like_update","question_id":65536,"like_count":4294967296}',
  },
  {
    what: "hard_alert",
    publish: { created_at: AT, capture_url: "../hard.png", event: "hard_alert" },
    audience: BOTH,
    json: `{"event":"hard_alert","capture_url":"../hard.png","created_at":"${AT}"}`,
  },
  {
    what: "hard_alert without a capture, at a time without fraction",
    publish: {
      created_at: "2024-02-29T00:00:00-11:30",
      capture_url: null,
      event: "hard_alert",
    },
    audience: BOTH,
    json: '{"event":"hard_alert","capture_url":null,"created_at":"2024-02-29T00:00:00-11:30"}',
  },
];

/** `session_ended` has tests of its own: nobody is left after it. */
export const SESSION_ENDED: Row = {
  what: "session_ended",
  publish: { event: "session_ended" },
  audience: BOTH,
  json: '{"event":"session_ended"}',
};
