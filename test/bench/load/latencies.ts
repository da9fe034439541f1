const NS_PER_S = 1e9;
const NS_PER_MS = 1e6;

/** Now, on the clock that all processes of this machine share (CLOCK_MONOTONIC), in nanoseconds. */
export function monotonicNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * NS_PER_S + nanoseconds;
}

export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** When which event was received, by any client. */
export class Receipts {
  #numbers = new Float64Array(1024);
  #times = new Float64Array(1024);
  #length = 0;

  add(number: number, atNs: number): void {
    if (this.#length === this.#numbers.length) {
      this.#numbers = doubled(this.#numbers);
      this.#times = doubled(this.#times);
    }
    this.#numbers[this.#length] = number;
    this.#times[this.#length] = atNs;
    this.#length++;
  }

  /** @param emittedAtNs - when each event was emitted, beginning with event `first` */
  summarize(emittedAtNs: readonly number[], first: number): LatencySummary {
    const latencies: number[] = [];
    for (let i = 0; i < this.#length; i++) {
      const emitted = emittedAtNs[(this.#numbers[i] ?? 0) - first];
      if (emitted !== undefined) latencies.push(((this.#times[i] ?? 0) - emitted) / NS_PER_MS);
    }
    const sorted = Float64Array.from(latencies).sort();
    // The nearest rank: the smallest latency that at least this share of deliveries did not exceed.
    const percentile = (p: number) => sorted[Math.ceil((p / 100) * sorted.length) - 1] ?? NaN;
    return {
      count: sorted.length,
      p50Ms: percentile(50),
      p99Ms: percentile(99),
      maxMs: percentile(100),
    };
  }
}

function doubled(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
