import type { Logger } from "../../telemetry/log.js";

/** How much of a turn of the event loop goes to those who come, in milliseconds, before those who are there have theirs. */
const SHARE_MS = 5;

/**
 * Lets people in one after the other, in the order in which they came, and so many in a turn of the event loop that
 * whoever is there is served meanwhile: a class that comes back at once to a fresh replica waits a little, and is not
 * refused. How many wait is limited by who counts their sockets.
 */
export class Turnstile {
  readonly #log: Pick<Logger, "error">;
  #waiting: (() => void)[] = [];
  #spentMs = 0;
  #isTurning = false;

  constructor(log: Pick<Logger, "error">) {
    this.#log = log;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @param enter - called in this turn, or a later one. By then, whoever wanted to come in may have gone. */
  pass(enter: () => void): void {
    if (this.#waiting.length === 0 && this.#spentMs < SHARE_MS) this.#let(enter);
    else this.#waiting.push(enter);
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#turn();
    });
  }

  #turn(): void {
    this.#spentMs = 0;
    let count = 0;
    for (const enter of this.#waiting) {
      if (this.#spentMs >= SHARE_MS) break;
      count++;
      this.#let(enter);
    }
    this.#waiting = this.#waiting.slice(count);
    this.#isTurning = this.#spentMs > 0;
    if (!this.#isTurning) return;
    setImmediate(() => {
      this.#turn();
    });
  }

  #let(enter: () => void): void {
    const startedAt = performance.now();
    try {
      enter();
    } catch (error) {
      // Those who wait behind him come in, and the process lives.
      this.#log.error({ err: error }, "somebody was not let in: an error that nobody expected");
    }
    this.#spentMs += performance.now() - startedAt;
  }
}
