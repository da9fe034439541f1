/** How long a test waits for something that should come at once; past it the test fails. */
const PATIENCE_MS = 15_000;

interface Waiter<T> {
  readonly isMet: (items: readonly T[]) => boolean;
  readonly resolve: () => void;
}

/** Collects what arrives, and lets a test wait for it instead of sleeping. */
export class Inbox<T> {
  readonly items: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  readonly #listeners: ((item: T) => void)[] = [];

  add(item: T): void {
    this.items.push(item);
    for (const listener of this.#listeners) listener(item);
    for (const waiter of this.#waiters) {
      if (!waiter.isMet(this.items)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Calls `listener` with every item, those that are there already included. */
  each(listener: (item: T) => void): void {
    for (const item of this.items) listener(item);
    this.#listeners.push(listener);
  }

  /** The first item, from index `from` on, that matches; waits for it where it is not there yet. */
  async next(matches: (item: T) => boolean = () => true, from = 0): Promise<T> {
    await this.until((items) => items.slice(from).some(matches));
    return this.items.slice(from).find(matches) as T;
  }

  /** Resolves once `isMet` holds for all items so far. */
  async until(isMet: (items: readonly T[]) => boolean): Promise<void> {
    if (isMet(this.items)) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        const seen = JSON.stringify(this.items.slice(-20));
        reject(new Error(`waited ${String(PATIENCE_MS)} ms in vain; the last items: ${seen}`));
        // Unreferenced: a wait that nobody needs any more must not hold up the end of the test.
      }, PATIENCE_MS).unref();
      const waiter: Waiter<T> = {
        isMet,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.#waiters.add(waiter);
    });
  }
}
