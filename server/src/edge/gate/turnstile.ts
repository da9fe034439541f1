import type { Destroyable, Drop } from "../guard.js";

/** How much of a turn of the event loop goes to those who come, in milliseconds, before those who are there have theirs. */
const SHARE_MS = 3;

/** Who wants to come in. */
interface Comer {
  readonly connection: Destroyable;
  readonly enter: () => void;
}

/**
 * Lets people in one after the other, in the order in which they came, and so many in a turn of the event loop that
 * whoever is there is served meanwhile: a class that comes back at once to a fresh replica waits a little, and is not
 * refused. How many wait is limited by who counts their sockets.
 */
export class Turnstile {
  readonly #drop: Drop;
  #waiting: Comer[] = [];
  #spentMs = 0;
  #isTurning = false;

  constructor(drop: Drop) {
    this.#drop = drop;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @param connection - dropped where there is an error as it comes in
   * @param enter - called in this turn, or a later one. By then, whoever wanted to come in may have gone.
   */
  pass(connection: Destroyable, enter: () => void): void {
    const comer = { connection, enter };
    if (this.#waiting.length === 0 && this.#spentMs < SHARE_MS) this.#let(comer);
    else this.#waiting.push(comer);
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#turn();
    });
  }

  #turn(): void {
    this.#spentMs = 0;
    let count = 0;
    for (const comer of this.#waiting) {
      if (this.#spentMs >= SHARE_MS) break;
      count++;
      this.#let(comer);
    }
    this.#waiting = this.#waiting.slice(count);
    this.#isTurning = this.#spentMs > 0;
    if (!this.#isTurning) return;
    setImmediate(() => {
      this.#turn();
    });
  }

  #let({ connection, enter }: Comer): void {
    const startedAt = performance.now();
    try {
      enter();
    } catch (error) {
      // Those who wait behind it come in all the same.
      this.#drop(error, connection);
    }
    this.#spentMs += performance.now() - startedAt;
  }
}
