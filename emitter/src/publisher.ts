import { EmitterError } from "./errors.js";
import type { ClassroomEvent, Offset, Role, SessionId } from "./protocol/index.js";

/** One event on its way to a session. */
export interface Publication {
  readonly sessionId: SessionId;
  /** Already checked and complete: what `parseEvent` returned. */
  readonly event: ClassroomEvent;
  /**
   * A repetition under the same key in the same room publishes nothing. Up to 255 ASCII characters. Callers' keys have
   * visible ones only: a space or a tab sets apart what no caller can give. A key that was made up has no space.
   */
  readonly idempotencyKey: string;
  /** Whether nobody has published under this key before, because it has just been made up. */
  readonly isNew?: boolean;
  /** The trace that it belongs to, where that is recorded (W3C Trace Context). */
  readonly traceparent?: string;
  /** When its caller asked for it, in milliseconds of the monotonic clock, before all attempts. Default: now. */
  readonly since?: number;
  /**
   * For an event that announces one of two alternating states: the version of the state (see `publish.lua`). The
   * server's presence uses it.
   */
  readonly version?: number;
}

/** What became of a publication. */
export interface PublishResult {
  /** The event's offset in each role room that it went to. */
  readonly offsets: Readonly<Partial<Record<Role, Offset>>>;
  /** Whether its idempotency key had been seen before, so that nothing new was published. */
  readonly duplicate: boolean;
}

/** All of it is published, and fewer replicas of Redis have it than are waited for: nothing has to be published again. */
export class UnconfirmedError extends EmitterError {
  /** Waits for them again, as the publisher has. */
  readonly wait: () => Promise<PublishResult[]>;

  constructor(reason: EmitterError, wait: () => Promise<PublishResult[]>) {
    super(reason.code, reason.message, { cause: reason });
    this.wait = wait;
  }
}

/**
 * Where publications go.
 *
 * Guarantee: a resolved result means that each event is in the history of every room of its audience and has been
 * handed to all replicas, in the order of the array for each room. A rejection means that at least one of them may
 * not be; repeating the same array with the same keys is safe.
 */
export interface Publisher {
  /** Whether it makes use of {@link Publication.isNew}; then keys that nobody gave are made so that it recognizes them. */
  readonly recognizesNewKeys?: boolean;
  /** Whether it has no use for the `signal` of {@link Publisher.publish}: one that aborts costs more than an event. */
  readonly ignoresSignal?: boolean;
  /**
   * @param signal - aborts when the caller stops waiting
   * @throws EmitterError with `retryable` set where a repetition may succeed; {@link UnconfirmedError} where waiting is enough
   */
  publish(publications: readonly Publication[], signal: AbortSignal): Promise<PublishResult[]>;
  close(): Promise<void>;
}
