/** How long a comparison counts, in milliseconds, where there are newer ones: clocks drift. */
const KEPT_MS = 30_000;
/** Far more than links prove themselves in that time. */
const MAX_KEPT = 200;

interface Comparison {
  /** How far Redis's clock is ahead of this process's monotonic one, in milliseconds. */
  readonly aheadMs: number;
  /** What asking took. It was answered somewhere between, so the shortest way is the best one. */
  readonly wayMs: number;
  readonly at: number;
}

/**
 * Redis's clock beside this process's monotonic one. By it publishers say when they published, and replicas know how long
 * ago that is, whatever the clocks of their machines say.
 */
export class RedisClock {
  #comparisons: Comparison[] = [];
  #best: Comparison | undefined;
  #incarnation: string | undefined;

  /**
   * @param sentAt - when Redis was asked, in milliseconds of the monotonic clock
   * @param time - what it answered to TIME: seconds since 1970, and microseconds
   * @param incarnation - of Redis, where that is known: another one may have another clock
   */
  compare(sentAt: number, time: readonly unknown[], incarnation?: string): void {
    const redisMs = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
    if (!Number.isFinite(redisMs)) return;
    if (incarnation !== undefined && incarnation !== this.#incarnation) {
      this.#incarnation = incarnation;
      this.forget();
    }
    const at = performance.now();
    const comparison = { aheadMs: redisMs - (sentAt + at) / 2, wayMs: at - sentAt, at };
    this.#comparisons = this.#comparisons.filter(
      (kept) => at - kept.at < KEPT_MS && canBothBeTrue(kept, comparison),
    );
    if (this.#comparisons.length >= MAX_KEPT) this.#comparisons.shift();
    this.#comparisons.push(comparison);
    this.#best = this.#comparisons.reduce((best, one) => (one.wayMs < best.wayMs ? one : best));
  }

  /** Another Redis may be next. */
  forget(): void {
    this.#comparisons = [];
    this.#best = undefined;
  }

  /**
   * @param at - in milliseconds of the monotonic clock
   * @returns in milliseconds since 1970 of Redis's clock; NaN where the two have not been compared
   */
  toRedis(at: number): number {
    return at + (this.#best?.aheadMs ?? NaN);
  }

  /** The other way round, or `undefined` where the two have not been compared. */
  toMonotonic(redisMs: number): number | undefined {
    return this.#best && redisMs - this.#best.aheadMs;
  }
}

/** Else Redis's clock has been set between the two: each is off by half of its way at most. */
function canBothBeTrue(one: Comparison, other: Comparison): boolean {
  return Math.abs(one.aheadMs - other.aheadMs) <= (one.wayMs + other.wayMs) / 2;
}
