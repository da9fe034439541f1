/** How many messages a client may send. */
export interface MessageRate {
  /** In a second, over a longer time. */
  readonly perS: number;
  /** At once. */
  readonly burst: number;
}

/** What is to be done with a client: read on, read no further for a while, or send it away. */
export type Verdict = "go on" | "wait" | "too many";

/** A longer message counts as so many as there are of these in it: it is read, copied and parsed as they would be. */
const BYTES_OF_A_MESSAGE = 4_096;

/** How long a client may send more than its rate, or have to wait at once, before it is sent away. */
const PATIENCE_MS = 10_000;

/**
 * What one connection may still send: a bucket that fills by itself, told by comparing clock readings. Nothing is dropped
 * for being too much: who has sent it waits.
 *
 * Who waits is read at its rate, however much it sends. So it is sent away for what has come since it had to wait first
 * and has let the bucket fill since: where that is more than its rate gives, and the time longer than our patience. Who
 * keeps below its rate fills the bucket, however small that is.
 */
export class Allowance {
  readonly #rate: MessageRate;
  /** When the bucket will be full again, if nothing more is taken. */
  #fullAtMs = 0;
  /** Since when the client has sent more than the bucket gave, without having let it fill since; 0: it has not. */
  #overSinceMs = 0;
  /** What it was kept waiting for longer than it had to is not lost to it: so much longer the bucket fills. */
  #creditMs = 0;

  constructor(rate: MessageRate) {
    this.#rate = rate;
  }

  /**
   * To be asked for messages that have come, before anything is done with them.
   *
   * @param count - how many there are
   * @param bytes - of all of them: where they are long, they count as more, though never as more than may come at once
   */
  takeMessages(count: number, bytes: number, nowMs: number): Verdict {
    const pieces = Math.min(Math.ceil(bytes / BYTES_OF_A_MESSAGE), this.#rate.burst);
    return this.take(Math.max(count, pieces), nowMs);
  }

  /** The same, by what it is that counts. */
  take(count: number, nowMs: number): Verdict {
    const fullestMs = nowMs - this.#creditMs;
    if (this.#fullAtMs <= fullestMs) {
      this.#fullAtMs = fullestMs;
      this.#creditMs = 0;
      this.#overSinceMs = 0;
    }
    this.#fullAtMs += this.#timeFor(count);
    if (this.isReady(nowMs)) return "go on";
    if (this.#overSinceMs === 0) this.#overSinceMs = nowMs;
    const isLong = nowMs - this.#overSinceMs > PATIENCE_MS;
    return isLong || this.readyAtMs - nowMs > PATIENCE_MS ? "too many" : "wait";
  }

  /** One message of those that were taken is not to be counted: it answered us. */
  giveBack(): void {
    this.#fullAtMs -= this.#timeFor(1);
  }

  /** Whether the next message may be read. */
  isReady(nowMs: number): boolean {
    return this.readyAtMs <= nowMs;
  }

  /** When the next message may be read. */
  get readyAtMs(): number {
    return this.#fullAtMs - this.#timeFor(this.#rate.burst);
  }

  /** The client has waited, and is read from now on. */
  readOn(nowMs: number): void {
    this.#creditMs = Math.max(nowMs - this.readyAtMs, 0);
  }

  #timeFor(count: number): number {
    return (count * 1_000) / this.#rate.perS;
  }
}
