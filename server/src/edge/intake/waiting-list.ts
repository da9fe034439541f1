import type { Drop } from "../guard.js";

/** Somebody who is not read for a while. */
export interface Waiting {
  /** Called when that is over. @returns until when it has to wait once more, or `undefined` where it has not */
  waitsUntil(nowMs: number): number | undefined;
  /** Ends its connection at once. */
  destroy(): void;
}

/** Nobody waits longer than it has to by more than this. */
const TICK_MS = 25;

/** Those who wait: with one timer for all, a comparison for each, and none while nobody waits. */
export class WaitingList {
  readonly #drop: Drop;
  readonly #dueMs = new Map<Waiting, number>();
  #timer: NodeJS.Timeout | undefined;

  /** @param drop - ends one in whose turn there was an error */
  constructor(drop: Drop) {
    this.#drop = drop;
  }

  /** @param untilMs - by `performance.now()`; in place of what it was before, if it waits already */
  add(member: Waiting, untilMs: number): void {
    this.#dueMs.set(member, untilMs);
    this.#timer ??= setInterval(() => {
      this.#look();
    }, TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#dueMs.clear();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [member, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) continue;
      this.#dueMs.delete(member);
      try {
        const untilMs = member.waitsUntil(nowMs);
        // Never again in this look, as it is later than now.
        if (untilMs !== undefined) this.#dueMs.set(member, Math.max(untilMs, nowMs + 1));
      } catch (error) {
        this.#drop(error, member);
      }
    }
    if (this.#dueMs.size === 0) this.close();
  }
}
