import { EmitterError, refusalIn, unsure } from "./errors.js";
import type { SessionId } from "./protocol/index.js";
import {
  UnconfirmedError,
  type Publication,
  type Publisher,
  type PublishResult,
} from "./publisher.js";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;
/** For publishers that have no use for a signal. */
const NEVER = new AbortController().signal;

/** What all calls of one emitter share. */
export interface CallOwner {
  readonly publisher: Publisher;
  onSettled(call: PublishCall): void;
  /** An attempt has ended. */
  onAttempted(call: PublishCall): void;
  /** It failed in passing: to be started again after so many milliseconds, before all that were made later. */
  again(call: PublishCall, pauseMs: number): void;
  /** It is published and not confirmed, and asks once more: nobody has to wait for it. */
  confirm(call: PublishCall): void;
}

/** One call under way: publishes, repeats what failed in passing, and gives up in time. */
export class PublishCall {
  readonly publications: readonly Publication[];
  readonly sessionId: SessionId;
  /** The later it was made, the greater. */
  readonly order: number;
  readonly result: Promise<PublishResult[]>;
  readonly #owner: CallOwner;
  readonly #timeoutMs: number;
  readonly #abort: AbortController | undefined;
  readonly #timer: NodeJS.Timeout;
  #resolve!: (results: PublishResult[]) => void;
  #reject!: (error: EmitterError) => void;
  #isUnderWay = false;
  /** Where all of it is published: waits for that to be confirmed. */
  #wait: (() => Promise<PublishResult[]>) | undefined;
  /** Before that. */
  #pause: NodeJS.Timeout | undefined;
  #attempts = 0;
  /** Why the last attempt failed that has ended. */
  #cause: unknown;
  #isSettled = false;

  constructor(
    owner: CallOwner,
    sessionId: SessionId,
    publications: readonly Publication[],
    order: number,
    timeoutMs: number,
  ) {
    this.sessionId = sessionId;
    this.publications = publications;
    this.order = order;
    this.#owner = owner;
    this.#timeoutMs = timeoutMs;
    this.#abort = owner.publisher.ignoresSignal === true ? undefined : new AbortController();
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Not AbortSignal.timeout with AbortSignal.any: in Node 20 that pair can be collected before it fires.
    this.#timer = setTimeout(giveUp, timeoutMs, this);
  }

  /** Whether an attempt has not ended yet. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  start(): void {
    this.#isUnderWay = true;
    const { publisher } = this.#owner;
    const attempt =
      this.#wait?.() ?? publisher.publish(this.publications, this.#abort?.signal ?? NEVER);
    this.#wait = undefined;
    attempt.then(
      (results) => {
        this.#isUnderWay = false;
        this.#owner.onAttempted(this);
        if (this.#settle()) this.#resolve(results);
      },
      (error: unknown) => {
        // Under way until it is among those that wait: nobody else goes before it.
        if (!this.#isSettled) this.#onError(error);
        this.#isUnderWay = false;
        this.#owner.onAttempted(this);
      },
    );
  }

  /** Nobody waits any more: whatever comes of it, it fails with this. */
  cancel(error: EmitterError): void {
    if (!this.#settle()) return;
    this.#abort?.abort();
    this.#reject(error);
  }

  /** Asks once more whether what is published is confirmed. */
  confirm(): void {
    this.#owner.confirm(this);
  }

  giveUp(): void {
    const cause = this.#cause ?? new EmitterError("unavailable", "no answer in time");
    // What Redis said last is what the caller can do something about.
    const { code, message: why } =
      cause instanceof EmitterError ? cause : new EmitterError("unavailable", "no answer in time");
    const message = `not confirmed within ${String(this.#timeoutMs)} ms (${why}): repeat the call with the same idempotency key`;
    this.cancel(new EmitterError(code, message, { cause, ...this.#key() }));
  }

  /** The key under which the call ran: with it, a repetition doubles nothing. */
  #key(): { idempotencyKey?: string } {
    const key = this.publications[0]?.idempotencyKey;
    return key === undefined ? {} : { idempotencyKey: key };
  }

  #onError(error: unknown): void {
    // No repetition changes what is refused for good, also where it is a part of the call.
    if (error instanceof EmitterError && refusalIn(error)) {
      const isSure = error.retryable || this.#attempts === 0;
      const { code, message, faults, cause } = isSure ? error : unsure(error);
      this.cancel(new EmitterError(code, message, { cause, faults, ...this.#key() }));
      return;
    }
    this.#cause = error;
    const pauseMs = retryDelayMs(this.#attempts++);
    if (!(error instanceof EmitterError) || error.code !== "redis_not_replicated") {
      this.#owner.again(this, pauseMs);
      return;
    }
    // Whoever has waited for replicas has waited long enough; a server is asked after a while.
    this.#wait = error instanceof UnconfirmedError ? error.wait : undefined;
    this.#pause = setTimeout(confirm, this.#wait ? 0 : pauseMs, this);
  }

  /** @returns whether it was not settled before: what comes later is nobody's business */
  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    if (this.#pause) clearTimeout(this.#pause);
    this.#owner.onSettled(this);
    return true;
  }
}

// Shared by all calls: a function of its own for each would be one more object that lives as long as the call.
function giveUp(call: PublishCall): void {
  call.giveUp();
}

function confirm(call: PublishCall): void {
  call.confirm();
}

function retryDelayMs(attempt: number): number {
  const limit = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
  // Jitter, so that publishers that lost Redis together do not come back together.
  return limit / 2 + (Math.random() * limit) / 2;
}
