import { EmitterError } from "./errors.js";
import type { Publication, Publisher, PublishResult } from "./publisher.js";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;
/** For publishers that have no use for a signal. */
const NEVER = new AbortController().signal;

/** How a call ends. */
export interface CallListener {
  onPublished(results: PublishResult[]): void;
  onFailed(error: EmitterError): void;
}

/** One call under way: publishes, repeats what failed in passing, and gives up in time. */
export class PublishCall {
  readonly #publisher: Publisher;
  readonly #publications: readonly Publication[];
  readonly #timeoutMs: number;
  readonly #listener: CallListener;
  readonly #abort: AbortController | undefined;
  readonly #timer: NodeJS.Timeout;
  #retryTimer: NodeJS.Timeout | undefined;
  #attempts = 0;
  /** Why the last attempt failed. */
  #cause: unknown;
  #isSettled = false;

  constructor(
    publisher: Publisher,
    publications: readonly Publication[],
    timeoutMs: number,
    listener: CallListener,
  ) {
    this.#publisher = publisher;
    this.#publications = publications;
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
    this.#abort = publisher.ignoresSignal === true ? undefined : new AbortController();
    // Not AbortSignal.timeout with AbortSignal.any: in Node 20 that pair can be collected before it fires.
    this.#timer = setTimeout(() => {
      this.#giveUp();
    }, timeoutMs);
  }

  /** Nobody waits any more. */
  cancel(error: EmitterError): void {
    this.#fail(error);
  }

  readonly start = (): void => {
    this.#cause = undefined;
    this.#publisher
      .publish(this.#publications, this.#abort?.signal ?? NEVER)
      .then(this.#onPublished, this.#onError);
  };

  readonly #onPublished = (results: PublishResult[]): void => {
    if (this.#settle()) this.#listener.onPublished(results);
  };

  readonly #onError = (error: unknown): void => {
    if (this.#isSettled) return;
    if (error instanceof EmitterError && !error.retryable) {
      this.#fail(error);
      return;
    }
    this.#cause = error;
    this.#retryTimer = setTimeout(this.start, retryDelayMs(this.#attempts++));
  };

  #giveUp(): void {
    const message = `not confirmed within ${String(this.#timeoutMs)} ms: repeat the call with the same idempotency key`;
    const cause = this.#cause ?? new EmitterError("unavailable", "no answer in time");
    const key = this.#publications[0]?.idempotencyKey;
    const details = { cause, ...(key === undefined ? {} : { idempotencyKey: key }) };
    this.#fail(new EmitterError("unavailable", message, details));
  }

  #fail(error: EmitterError): void {
    if (!this.#settle()) return;
    this.#abort?.abort();
    this.#listener.onFailed(error);
  }

  /** @returns whether it was not settled before: what comes later is nobody's business */
  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retryTimer);
    return true;
  }
}

function retryDelayMs(attempt: number): number {
  const limit = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
  // Jitter, so that publishers that lost Redis together do not come back together.
  return limit / 2 + (Math.random() * limit) / 2;
}
