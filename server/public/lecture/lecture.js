// What a lecture is, made of its events. Pure: `hear` takes a lecture and an event, and returns the lecture after it.
// Every list has a limit, so that a day of events makes no page slow.

import { isAfter } from "./offsets.js";
import { newPace, vote } from "./pace.js";

export const LIMITS = { questions: 200, moments: 100, captures: 50, asking: 50, characters: 2_000 };

/** Longer than this nobody writes on a question without anybody forgetting it. */
const ASKING_MS = 120_000;

/** A lecture of which nothing was heard. */
export function newLecture() {
  return {
    /** Whether the teacher is there; `undefined` where nobody said so. */
    teacherOnline: undefined,
    isOver: false,
    /** Oldest first: `{ id, text, captureUrl, likes, atMs }`. */
    questions: [],
    /** Oldest first: `{ offset, kind: "important" | "hard", note, captureUrl, atMs }`. */
    moments: [],
    /** Pictures of questions: `{ id, url }`, oldest first. */
    captures: [],
    /** Who has begun to write a question: `{ id, atMs }`. */
    asking: [],
    pace: newPace(),
    alertedAtMs: -Infinity,
    /** The last offset of the room that this page listens to. */
    offset: undefined,
  };
}

/**
 * The lecture after an event. What has been heard before, by its offset, changes nothing.
 *
 * @param told - `{ name, event, offset }`
 */
export function hear(lecture, { name, event, offset }, nowMs) {
  if (name === "connected") {
    return event.role === "student" ? { ...lecture, teacherOnline: event.teacher_online } : lecture;
  }
  if (!(name in CHANGES)) return lecture;
  if (offset && lecture.offset && !isAfter(offset, lecture.offset)) return lecture;
  return { ...change(lecture, { name, event, offset }, nowMs), offset: offset ?? lecture.offset };
}

/** What the page knows of the other role's room, such as a teacher of what students were shown: in whatever order. */
export function learn(lecture, told, nowMs) {
  if (told.name !== "important" && told.name !== "question_capture") return lecture;
  if (told.offset && lecture.moments.some(({ offset }) => offset === told.offset)) return lecture;
  const learnt = CHANGES[told.name](lecture, told, nowMs);
  return { ...learnt, moments: learnt.moments.toSorted((a, b) => a.atMs - b.atMs) };
}

/** How many write on a question just now. */
export function countAsking(lecture, nowMs) {
  return lecture.asking.filter(({ atMs }) => nowMs - atMs < ASKING_MS).length;
}

/** Under one id one lecture may follow another: what comes after the end begins anew. */
function change(lecture, told, nowMs) {
  const isNext =
    lecture.isOver && told.name !== "teacher_presence" && told.name !== "session_ended";
  const from = isNext ? { ...newLecture(), teacherOnline: lecture.teacherOnline } : lecture;
  return CHANGES[told.name](from, told, nowMs);
}

const CHANGES = {
  feedback: (lecture, { event }, nowMs) => ({
    ...lecture,
    pace: vote(lecture.pace, event.feedback_type, timeOf(event, nowMs)),
  }),

  question_intent: (lecture, { event }, nowMs) => ({
    ...lecture,
    asking: newest("asking", [
      ...lecture.asking.filter(({ id }) => id !== event.question_id),
      { id: event.question_id, atMs: timeOf(event, nowMs) },
    ]),
  }),

  question_capture: (lecture, { event }) => {
    const { question_id: id, capture_url: url } = event;
    const captures = [...lecture.captures.filter((each) => each.id !== id), { id, url }];
    const questions = lecture.questions.map((question) =>
      question.id === id && !question.captureUrl ? { ...question, captureUrl: url } : question,
    );
    return { ...lecture, questions, captures: newest("captures", captures) };
  },

  new_question: (lecture, { event }, nowMs) => {
    const { question_id: id } = event;
    const before = lecture.questions.find((each) => each.id === id);
    const question = {
      id,
      text: clip(event.cleaned_text),
      captureUrl: event.capture_url ?? lecture.captures.find((each) => each.id === id)?.url ?? null,
      likes: before?.likes ?? 0,
      atMs: before?.atMs ?? timeOf(event, nowMs),
    };
    const questions = before
      ? lecture.questions.map((each) => (each === before ? question : each))
      : newest("questions", [...lecture.questions, question]);
    return { ...lecture, questions, asking: lecture.asking.filter((each) => each.id !== id) };
  },

  question_like_update: (lecture, { event }) => ({
    ...lecture,
    questions: lecture.questions.map((question) =>
      question.id === event.question_id ? { ...question, likes: event.like_count } : question,
    ),
  }),

  important: (lecture, told, nowMs) => withMoment(lecture, "important", told, nowMs),

  hard_alert: (lecture, told, nowMs) => ({
    ...withMoment(lecture, "hard", told, nowMs),
    alertedAtMs: timeOf(told.event, nowMs),
  }),

  teacher_presence: (lecture, { event }) => ({ ...lecture, teacherOnline: event.is_online }),

  session_ended: (lecture) => ({ ...lecture, isOver: true, asking: [] }),
};

function withMoment(lecture, kind, { event, offset }, nowMs) {
  const moment = {
    offset,
    kind,
    note: clip(event.note ?? ""),
    captureUrl: event.capture_url,
    atMs: timeOf(event, nowMs),
  };
  return { ...lecture, moments: newest("moments", [...lecture.moments, moment]) };
}

/** A publisher says when: but nothing has been said in the future. */
function timeOf(event, nowMs) {
  const atMs = Date.parse(event.created_at ?? "");
  return Number.isNaN(atMs) ? nowMs : Math.min(atMs, nowMs);
}

function clip(text) {
  return text.length > LIMITS.characters ? `${text.slice(0, LIMITS.characters)}…` : text;
}

function newest(kind, list) {
  return list.slice(-LIMITS[kind]);
}
