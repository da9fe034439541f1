/** Seconds: from what a turn of the event loop takes to what nobody waits for. */
export const SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

/** How often a value was in which range, in plain numbers. */
export class Distribution {
  /** Upper bounds of the ranges, growing; what is above the last one has a range of its own. */
  readonly bounds: readonly number[];
  /** How many were in each range. */
  readonly counts: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = [...bounds.map(() => 0), 0];
    this.counts = this.#counts;
  }

  get sum(): number {
    return this.#sum;
  }

  /** @param value - one that is no number is not counted */
  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    let range = 0;
    while (value > (this.bounds[range] ?? Infinity)) range++;
    this.#counts[range] = (this.#counts[range] ?? 0) + 1;
    this.#sum += value;
  }

  /** @param since - when it began, in milliseconds of the monotonic clock */
  observeSince(since: number): void {
    this.observe((performance.now() - since) / 1_000);
  }

  /** What the promise took, in seconds, if it resolves. */
  async time<T>(promise: Promise<T>): Promise<T> {
    const since = performance.now();
    const value = await promise;
    this.observeSince(since);
    return value;
  }
}
