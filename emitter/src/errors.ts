/** What a Redis that answers may be in, so that it takes no events for now, or takes them and cannot keep them safe. */
export const REDIS_STATES = [
  "redis_full",
  "redis_read_only",
  "redis_loading",
  "redis_lacks_replicas",
  /** It has the event, and fewer replicas have it than are waited for. */
  "redis_not_replicated",
] as const;
export type RedisState = (typeof REDIS_STATES)[number];

/** The state that a word names, or `undefined` where it names none. */
export function parseRedisState(word: unknown): RedisState | undefined {
  return REDIS_STATES.find((state) => state === word);
}

/** What went wrong, in a word that programs can rely on. */
export type EmitterErrorCode =
  | "invalid_session_id"
  | "invalid_event"
  | "invalid_option"
  | "event_too_large"
  | "unauthorized"
  | "unavailable"
  | RedisState
  | "rejected"
  | "closed";

/** What may pass by itself. */
const RETRYABLE: ReadonlySet<EmitterErrorCode> = new Set(["unavailable", ...REDIS_STATES]);

/** One fault in what was to be published. */
export interface Fault {
  /** Where it is, as a JSON Pointer (RFC 6901): `/like_count`, or `/3/like_count` in an array. */
  readonly path: string;
  /** What is expected there. */
  readonly message: string;
}

/**
 * What is refused for good, though a part of it, or an attempt before this one, may have been published: whoever is told
 * "rejected" may rely on it that nothing was.
 */
export function unsure(refusal: EmitterError): EmitterError {
  const message = `some of it may be published, the rest is refused: ${refusal.message}; then repeat the call with the same idempotency key`;
  return new EmitterError("unavailable", message, { cause: refusal });
}

/**
 * What of a call was refused for good, though an {@link EmitterError} of it says that it may be repeated: that helps only
 * when this has been mended. `undefined` where what failed may pass by itself.
 */
export function refusalIn(error: unknown): EmitterError | undefined {
  let cause = error;
  while (cause instanceof EmitterError && cause.retryable) cause = cause.cause;
  return cause instanceof EmitterError ? cause : undefined;
}

/** Of this package, whichever copy of it: a program may have it twice, by `import` and by `require`. */
const MARK = Symbol.for("@inthon/emitter/EmitterError");

/** Why an event was not published. `instanceof` knows those of another copy of this package too. */
export class EmitterError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass has no mark of its own.
    if (this !== EmitterError) return super[Symbol.hasInstance](value);
    return typeof value === "object" && value !== null && MARK in value;
  }

  override readonly name = "EmitterError";
  readonly code: EmitterErrorCode;
  /** Whether the same call may succeed later. It is safe to repeat it with {@link EmitterError.idempotencyKey}. */
  readonly retryable: boolean;
  /** The faults found in the event, for `invalid_event`; empty otherwise. */
  readonly faults: readonly Fault[];
  /** The key under which the call ran, where it ran: a repetition with it cannot double the event. */
  readonly idempotencyKey: string | undefined;

  constructor(
    code: EmitterErrorCode,
    message: string,
    details: { cause?: unknown; faults?: readonly Fault[]; idempotencyKey?: string } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Object.defineProperty(this, MARK, { value: true });
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    this.faults = details.faults ?? [];
    this.idempotencyKey = details.idempotencyKey;
  }
}
