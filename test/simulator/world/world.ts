import { Heap } from "./heap.js";
import { Random } from "./random.js";
import type { ProcessInTurn } from "./whose-turn.js";
import { enter, leave, outside } from "./globals.js";

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
  readonly #due = new Heap<() => Promise<void> | void>();
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

  at(time: number, run: () => Promise<void> | void): void {
    this.#due.push(Math.max(time, this.now), run);
  }

  after(ms: number, run: () => Promise<void> | void): void {
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
  async run(until: number, isOver: () => boolean = () => false): Promise<void> {
    while (this.#due.leastKey <= until && !isOver()) {
      this.now = Math.max(this.now, this.#due.leastKey);
      const run = this.#due.pop();
      await run?.();
      for (const look of this.onStep) look();
    }
    if (!isOver()) this.now = until;
  }

  /** Runs a callback of a process, and all microtasks that follow from it. */
  runAs(process: ProcessInTurn, run: () => void): Promise<void> {
    return new Promise((resolve) => {
      outside.setImmediate(() => {
        enter(process);
        // The next one comes when the microtasks of this one are done.
        outside.setImmediate(() => {
          leave();
          resolve();
        });
        try {
          run();
        } catch (error) {
          this.violate("no uncaught error", `${process.name}: ${textOf(error)}`);
        }
      });
    });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
