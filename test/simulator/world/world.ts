import { Heap } from "./heap.js";
import { Random } from "./random.js";
import type { ProcessInTurn } from "./whose-turn.js";
import { enter, finishTurn, leave, outside } from "./globals.js";

/** When every world begins, in milliseconds since 1970. */
const BEGIN = Date.UTC(2026, 0, 5, 9);

/** What follows from a first one tells nothing new. */
const MAX_VIOLATIONS = 5;

/** A promise that was broken. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
  /** In milliseconds since the world began. */
  readonly at: number;
}

/**
 * All that happens, one thing after the other, in the order of a time that nobody waits for.
 *
 * Invariant: while something runs, it is known of which process it is, and everything that it has put into microtasks is
 * done before the next thing begins. So whatever the code under test asks of the time or of chance is that process's.
 */
export class World {
  readonly random: Random;
  /** In milliseconds since the world began. */
  now = 0;
  readonly #due = new Heap<() => void>();
  readonly #trace: string[] = [];
  readonly #violations: Violation[] = [];
  /** Judges that look after each step. */
  readonly onStep: (() => void)[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get wall(): number {
    return BEGIN + this.now;
  }

  get trace(): readonly string[] {
    return this.#trace;
  }

  at(time: number, run: () => void): void {
    this.#due.push(Math.max(time, this.now), run);
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Notes what happened. */
  tell(who: string, what: string): void {
    this.#trace.push(`${(this.now / 1_000).toFixed(4).padStart(9)} ${who}: ${what}`);
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** Something happened that must not. */
  violate(rule: string, what: string): void {
    if (this.#violations.length >= MAX_VIOLATIONS) return;
    this.#violations.push({ rule, what, at: this.now });
    this.tell("VIOLATION", `${rule}: ${what}`);
  }

  /** Lets things happen until a time, or until `isOver` says so. */
  run(until: number, isOver: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      // Not from within a microtask: while one runs, no others do.
      outside.setImmediate(() => {
        try {
          this.#run(until, isOver);
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #run(until: number, isOver: () => boolean): void {
    while (this.#due.leastKey <= until && !isOver()) {
      this.now = Math.max(this.now, this.#due.leastKey);
      this.#due.pop()?.();
      for (const look of this.onStep) look();
    }
    if (!isOver()) this.now = until;
  }

  /** Runs a callback of a process, and all microtasks that follow from it. */
  runAs(process: ProcessInTurn, run: () => void): void {
    enter(process);
    try {
      run();
    } catch (error) {
      this.violate("no uncaught error", `${process.name}: ${textOf(error)}`);
    }
    finishTurn();
    leave();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
