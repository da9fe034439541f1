import type { Destroyable, Drop } from "../guard.js";

export interface PaceLimits {
  /** So many in a second, over a longer time. */
  readonly perS: number;
  /** So many at once. */
  readonly burst: number;
  /** So many may wait: who comes then is cut. */
  readonly maxWaiting: number;
}

interface Waiter {
  readonly connection: Destroyable;
  readonly go: () => void;
}

/** How often it is looked who can go. */
const TICK_MS = 5;

/**
 * Does something for one connection after the other, in the order in which they came, and so many in a second. Clients that
 * come back as soon as they are refused knock at the pace at which they are, one after the other, and not a thousand at once.
 * Who comes while others wait costs a place in their list: what is to be done for all of them is done in a tick.
 */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #drop: Drop;
  /** In their order. A tick lies ahead while there is anyone. */
  #waiting: Waiter[] = [];
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
    if (connection.destroyed === true) return;
    const waiter = { connection, go };
    const { length } = this.#waiting;
    if (length === 0 && this.#mayGo()) this.#let(waiter);
    else if (length >= this.#limits.maxWaiting) connection.destroy();
    else if (this.#waiting.push(waiter) === 1) this.#schedule();
  }

  #schedule(): void {
    setTimeout(() => {
      this.#tick();
    }, TICK_MS).unref();
  }

  #tick(): void {
    // Who has gone takes nobody's turn, and nobody's place.
    const here = this.#waiting.filter(({ connection }) => connection.destroyed !== true);
    let gone = 0;
    for (const waiter of here) {
      if (!this.#mayGo()) break;
      gone++;
      this.#let(waiter);
    }
    this.#waiting = here.slice(gone);
    if (this.#waiting.length > 0) this.#schedule();
  }

  #mayGo(): boolean {
    const nowMs = performance.now();
    const { perS, burst } = this.#limits;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1_000) * perS);
    this.#atMs = nowMs;
    return this.#left >= 1;
  }

  #let({ connection, go }: Waiter): void {
    this.#left--;
    try {
      go();
    } catch (error) {
      this.#drop(error, connection);
    }
  }
}
