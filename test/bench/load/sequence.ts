/** Counted over all clients of a load process. */
export interface Tally {
  deliveries: number;
  lost: number;
  duplicated: number;
  reordered: number;
}

export function newTally(): Tally {
  return { deliveries: 0, lost: 0, duplicated: 0, reordered: 0 };
}

/**
 * Which of a session's events a client must get: event `n`, counted from 1, where `pattern[(n - 1) % length]` is true.
 */
export type Pattern = readonly boolean[];

/**
 * Whether one client gets every event that is for it exactly once and in order, starting with its first one. An event
 * is lost from when a later one overtakes it; if it does come after all it is reordered instead.
 */
export class Sequence {
  readonly #pattern: Pattern;
  readonly #tally: Tally;
  #next: number;
  #missing: Set<number> | undefined;

  constructor(pattern: Pattern, tally: Tally) {
    if (!pattern.includes(true)) throw new Error("a client that gets nothing cannot miss anything");
    this.#pattern = pattern;
    this.#tally = tally;
    this.#next = this.#from(1);
  }

  receive(n: number): void {
    this.#tally.deliveries++;
    if (n === this.#next) {
      this.#next = this.#from(n + 1);
    } else if (n > this.#next) {
      this.#miss(n - 1);
      // An event that is for somebody else is one too many.
      if (this.#next === n) this.#next = this.#from(n + 1);
      else this.#tally.duplicated++;
    } else if (this.#missing?.delete(n) === true) {
      this.#tally.lost--;
      this.#tally.reordered++;
    } else {
      this.#tally.duplicated++;
    }
  }

  /** Whether event `last` and all before it have come or been given up. */
  hasReached(last: number): boolean {
    return this.#next > last;
  }

  /** Gives up on what should have come up to `last`. */
  giveUp(last: number): void {
    if (!this.hasReached(last)) this.#miss(last);
  }

  /** Notes everything up to `last` as missing. */
  #miss(last: number): void {
    this.#missing ??= new Set();
    for (; this.#next <= last; this.#next = this.#from(this.#next + 1)) {
      this.#missing.add(this.#next);
      this.#tally.lost++;
    }
  }

  /** The first event from `n` on that is for this client. */
  #from(n: number): number {
    let next = n;
    while (this.#pattern[(next - 1) % this.#pattern.length] !== true) next++;
    return next;
  }
}
