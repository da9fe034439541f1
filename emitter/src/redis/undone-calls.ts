import type { Entry } from "./publish-arguments.js";

/** A call that Redis may have to be asked again, in the same place. */
export interface UndoneCall {
  readonly entries: readonly Entry[];
  /** The later it was sent, the greater. */
  readonly order: number;
  /** The mark of the call before, where it goes on with an array that this one began; else ''. */
  readonly goesOnWith: string;
  /** Its own, for the next one. */
  readonly mark: string;
}

/** Knowing better helps at once, and a second time where two things were wrong. */
const AT_ONCE = 3;
/** What else is to pass takes a moment: a slot on its way to another master, or a link to one that has just taken over. */
const FIRST_PAUSE_MS = 10;
/** Each twice as long as the one before: 1.3 s together. */
const PAUSES = 7;

/** What Redis has not done of one room, or not been asked yet: comes before all else, and is not repeated for ever. */
export class UndoneCalls {
  #calls: UndoneCall[] = [];
  #events = 0;
  #wasRefused = false;
  #rounds = 0;
  /** Why the last one was not done. */
  cause: unknown;

  get isEmpty(): boolean {
    return this.#calls.length === 0;
  }

  /** How many are in all of them. */
  get events(): number {
    return this.#events;
  }

  add(call: UndoneCall, cause: unknown): void {
    this.keep(call);
    this.#wasRefused = true;
    this.cause = cause;
  }

  /** Takes one that Redis has not been asked. */
  keep(call: UndoneCall): void {
    this.#calls.push(call);
    this.#events += call.entries.length;
  }

  /** Something has been done. */
  onDone(): void {
    this.#rounds = 0;
  }

  /** How long to wait before they are asked again, in milliseconds; `undefined` where it is time to give up. */
  nextPauseMs(): number | undefined {
    if (!this.#wasRefused) return 0;
    const pauses = ++this.#rounds - AT_ONCE;
    if (pauses <= 0) return 0;
    if (pauses <= PAUSES) return FIRST_PAUSE_MS * 2 ** (pauses - 1);
    this.#rounds = 0;
    return undefined;
  }

  /** Leaves none. Calls become one, but where one goes on with another that has been done. */
  take(): readonly UndoneCall[] {
    const all: UndoneCall[] = [];
    // They may have been refused in another order than they were sent in.
    for (const call of this.#calls.sort((one, other) => one.order - other.order)) {
      const before = all.at(-1);
      if (before?.mark === call.goesOnWith) {
        const entries = [...before.entries, ...call.entries];
        all[all.length - 1] = { ...before, entries, mark: call.mark };
      } else {
        all.push(call);
      }
    }
    this.#calls = [];
    this.#events = 0;
    this.#wasRefused = false;
    return all;
  }
}
