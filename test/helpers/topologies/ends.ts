/** What ends with whom it was started for: a test, or {@link Ends}. */
export interface Owner {
  teardown(end: () => unknown): void;
}

/** Whoever starts things and is no test: ends them in reverse order. */
export class Ends implements Owner {
  readonly #ends: (() => unknown)[] = [];

  teardown(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Ends all of them, whatever becomes of any; rejects with the first error only then. */
  async end(): Promise<void> {
    const failed: unknown[] = [];
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  }
}
