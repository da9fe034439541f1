// The lecture that a page shows: filled from the history, then carried on by what comes live.

import { readHistory } from "../line/history.js";
import { hear, learn, newLecture } from "./lecture.js";

/** Live events that wait for the history; more than these are read from it again. */
const MAX_WAITING = 2_000;

export function createStory({ session, role, changed }) {
  let lecture = newLecture();
  /** What has come live while the history is read. */
  let waiting;
  let reading = 0;
  let knowsHistory = true;

  const set = (next) => {
    if (next === lecture) return;
    lecture = next;
    changed();
  };
  const take = (told) => set(hear(lecture, told, Date.now()));

  return {
    get lecture() {
      return lecture;
    },
    /** Whether the server lets this page read what was before it. */
    get knowsHistory() {
      return knowsHistory;
    },

    /** What the connection was told. */
    hear(told) {
      if (!waiting || told.name === "connected") return take(told);
      waiting.push(told);
      if (waiting.length > MAX_WAITING) waiting.shift();
    },

    /** What this page itself has published to the other role's room. */
    learn: (told) => set(learn(lecture, told, Date.now())),

    /** Reads the lecture anew: on a fresh connection, or where the history no longer reached back. */
    async fill() {
      const mine = ++reading;
      waiting ??= [];
      const [own, others] = await Promise.all([
        readHistory(session, role),
        role === "teacher" ? readHistory(session, "student") : undefined,
      ]);
      if (mine !== reading) return;
      knowsHistory = own !== undefined;
      const nowMs = Date.now();
      const { teacherOnline } = lecture;
      let next = own ? newLecture() : lecture;
      for (const told of own ?? []) next = hear(next, told, nowMs);
      for (const told of sinceTheLastEnd(others ?? [])) next = learn(next, told, nowMs);
      const live = waiting;
      waiting = undefined;
      // Who is there now is what the connection says, not what was announced before it.
      next = { ...next, teacherOnline };
      for (const told of live) next = hear(next, told, nowMs);
      set(next);
    },
  };
}

/** What students were shown in the lecture that goes on, or in the last one. */
function sinceTheLastEnd(events) {
  const last = events.findLastIndex(({ name }, index) => {
    if (name !== "session_ended") return false;
    return events.slice(index + 1).some((told) => told.name !== "teacher_presence");
  });
  return events.slice(last + 1);
}
