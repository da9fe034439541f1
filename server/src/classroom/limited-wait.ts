/** Waiting that ends when nobody waits any more, or when it has taken too long. */
export class LimitedWait {
  readonly #gone = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** @param onEnd - told when it has taken `limitMs` */
  constructor(limitMs: number, onEnd: () => void) {
    this.#timer = setTimeout(() => {
      onEnd();
      this.#gone.abort();
    }, limitMs);
  }

  /** Aborts when nobody waits any more. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** What was waited for is there, or has failed. */
  done(): void {
    clearTimeout(this.#timer);
  }

  /** Nobody waits any more. */
  abandon(): void {
    this.done();
    this.#gone.abort();
  }
}
