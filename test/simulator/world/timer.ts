/** An immediate of a simulated process. */
export interface Immediate {
  run: (() => void) | undefined;
}

/** What `setTimeout` and `setInterval` of a simulated process return: used like Node's `Timeout`. */
export class Timer {
  readonly run: () => void;
  readonly everyMs: number | undefined;
  readonly delayMs: number;
  isActive = true;
  /** By the process's own clock. */
  dueAt: number;
  readonly #again: (timer: Timer) => void;

  constructor(
    run: () => void,
    delayMs: number,
    isRepeated: boolean,
    now: number,
    again: (timer: Timer) => void,
  ) {
    this.run = run;
    this.delayMs = delayMs >= 1 && delayMs < 2 ** 31 ? Math.trunc(delayMs) : 1;
    this.everyMs = isRepeated ? this.delayMs : undefined;
    this.dueAt = now + this.delayMs;
    this.#again = again;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    if (this.isActive) this.#again(this);
    return this;
  }

  close(): this {
    this.isActive = false;
    return this;
  }
}
