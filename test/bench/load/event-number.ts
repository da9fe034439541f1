/** The events that the benchmark publishes: those whose first field is `question_id`, which counts them. */
export const COUNTED_EVENTS = [
  "question_capture",
  "question_intent",
  "new_question",
  "question_like_update",
] as const;

export type CountedEvent = (typeof COUNTED_EVENTS)[number];

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

const beginnings = (before: (name: string) => string): readonly Buffer[] =>
  COUNTED_EVENTS.map((name) => Buffer.from(`${before(name)}{"event":"${name}","question_id":`));

/** How a counted event begins in a text frame of each protocol. */
export const BEGINNINGS = {
  "socket.io": beginnings((name) => `42["${name}",`),
  plain: beginnings(() => ""),
} as const;

/**
 * The number of a counted event, or undefined for any other frame. Reads a few bytes at a fixed place: parsing the
 * JSON would cost more than everything else that the client does.
 */
export function eventNumber(
  known: readonly Buffer[],
  data: Buffer,
  start: number,
  end: number,
): number | undefined {
  for (const beginning of known) {
    const at = start + beginning.length;
    if (at >= end || !isAt(beginning, data, start)) continue;
    let number = 0;
    for (let i = at; i < end; i++) {
      const byte = data[i] ?? 0;
      if (byte < DIGIT_0 || byte > DIGIT_9) break;
      number = number * 10 + byte - DIGIT_0;
    }
    return number;
  }
  return undefined;
}

/** From behind: the names differ at their ends, and `compare` would be a call out of JavaScript for each frame. */
function isAt(expected: Buffer, data: Buffer, start: number): boolean {
  for (let i = expected.length - 1; i >= 0; i--) if (expected[i] !== data[start + i]) return false;
  return true;
}
