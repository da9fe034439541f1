import type { Destroyable, Drop } from "../guard.js";

export interface PaceLimits {
  /** So many in a second, over a longer time. */
  readonly perS: number;
  /** So many at once. */
  readonly burst: number;
  /** So many may wait: who comes then is cut. */
  readonly maxWaiting: number;
}

/** How often it is looked who can go. */
const TICK_MS = 5;

/**
 * Does something for one connection after the other, in the order in which they came, and so many in a second. Clients that
 * come back as soon as they are refused knock at the pace at which they are, one after the other, and not a thousand at once.
 */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #drop: Drop;
  #waiting: { readonly connection: Destroyable; readonly go: () => void }[] = [];
  #isScheduled = false;
  /** How many may go at once, as of `#atMs`. */
  #left: number;
  #atMs = 0;

  /** @param drop - ends a connection for which there was an error */
  constructor(limits: PaceLimits, drop: Drop) {
    this.#limits = limits;
    this.#drop = drop;
    this.#left = limits.burst;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @param connection - cut where too many wait
   * @param go - called in this turn of the event loop, or a later one
   */
  pass(connection: Destroyable, go: () => void): void {
    if (this.#waiting.length >= this.#limits.maxWaiting) this.#forgetGone();
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      connection.destroy();
      return;
    }
    this.#waiting.push({ connection, go });
    this.#look();
  }

  #forgetGone(): void {
    this.#waiting = this.#waiting.filter(({ connection }) => connection.destroyed !== true);
  }

  #look(): void {
    const nowMs = performance.now();
    const { perS, burst } = this.#limits;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1_000) * perS);
    this.#atMs = nowMs;
    let looked = 0;
    for (const { connection, go } of this.#waiting) {
      if (this.#left < 1) break;
      looked++;
      // Who has gone takes nobody's turn.
      if (connection.destroyed === true) continue;
      this.#left--;
      try {
        go();
      } catch (error) {
        this.#drop(error, connection);
      }
    }
    this.#waiting = this.#waiting.slice(looked);
    if (this.#waiting.length === 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#look();
    }, TICK_MS).unref();
  }
}
