/** How many messages a client may send. */
export interface MessageRate {
  /** In a second, over a longer time. */
  readonly perS: number;
  /** At once. */
  readonly burst: number;
}

/** What is to be done with a client: read on, read no further for a while, or send it away. */
export type Verdict = "go on" | "wait" | "too many";

/** How long a client may be kept waiting again and again, or have to wait at once, before it is sent away. */
const PATIENCE_MS = 10_000;
/** Who has been read for this long without having to wait is not over the limit any more. */
const CALM_MS = 1_000;

/**
 * What one connection may still send: a bucket that fills by itself, told by comparing clock readings. Nothing is dropped
 * for being too much: who has sent it waits.
 */
export class Allowance {
  readonly #rate: MessageRate;
  /** When the bucket will be full again, if nothing more is taken. */
  #fullAtMs = 0;
  /** Since when the client has been kept waiting again and again, and when its last wait is over. */
  #waitsSinceMs = 0;
  #readyAtMs = 0;

  constructor(rate: MessageRate) {
    this.#rate = rate;
  }

  /** To be asked for messages that have come, before anything is done with them. */
  take(count: number, nowMs: number): Verdict {
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + this.#timeFor(count);
    if (this.isReady(nowMs)) return "go on";
    if (nowMs - this.#readyAtMs > CALM_MS) this.#waitsSinceMs = nowMs;
    this.#readyAtMs = this.#fullAtMs - this.#timeFor(this.#rate.burst);
    const isLong = nowMs - this.#waitsSinceMs > PATIENCE_MS;
    return isLong || this.#readyAtMs - nowMs > PATIENCE_MS ? "too many" : "wait";
  }

  /** One message of those that were taken is not to be counted: it answered us. */
  giveBack(): void {
    this.#fullAtMs -= this.#timeFor(1);
  }

  /** Whether the next message may be read. */
  isReady(nowMs: number): boolean {
    return this.#fullAtMs - nowMs <= this.#timeFor(this.#rate.burst);
  }

  #timeFor(count: number): number {
    return (count * 1_000) / this.#rate.perS;
  }
}
