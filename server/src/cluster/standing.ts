import type { Position } from "@inthon/emitter/protocol";
import type { Standing } from "./ports.js";

/** The place with this number. */
export function placeIn({ head, ends }: Standing, n: number): Position {
  return { epoch: ends.find((end) => n <= end.n)?.epoch ?? head.epoch, n };
}

/** Whether a place is in a history: it was reached there, and nothing up to it has been forgotten. */
export function isInHistory({ head, ends }: Standing, { epoch, n }: Position): boolean {
  const last = epoch === head.epoch ? head : ends.find((end) => end.epoch === epoch);
  return last !== undefined && n <= last.n;
}
