import { randomUUID } from "node:crypto";
import { CallOrder } from "./call-order.js";
import { EmitterError } from "./errors.js";
import { KeyMaker, keyOfLater } from "./idempotency-keys.js";
import { readOptions } from "./options.js";
import { parseEvent, parseEvents, unreadable } from "./validate/parse-event.js";
import {
  parseSessionId,
  type ClassroomEvent,
  type ClassroomEventInput,
  type EventName,
  type EventPayloads,
  type SessionId,
} from "./protocol/index.js";
import { PublishCall, type CallOwner } from "./publish-call.js";
import { traceparentFor } from "./traceparent.js";
import type { Publication, Publisher, PublishResult } from "./publisher.js";

/** How one call publishes. */
export interface EmitOptions {
  /**
   * Names what happened, so that a second call with the same key for the same session publishes nothing. 1 to 200
   * visible ASCII characters; remembered for the newest 10,000 events of a room, as long as its history. Without it each
   * call is an event of its own.
   */
  readonly idempotencyKey?: string;
  /** How long to keep trying, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /**
   * `traceparent` of W3C Trace Context: replicas log, and trace, when they tell the event. Default: that of the active span,
   * where an SDK of OpenTelemetry is there. One that is wrong, or not sampled, is ignored.
   */
  readonly traceparent?: string;
}

const EMIT_OPTIONS: ReadonlySet<string> = new Set<keyof EmitOptions>([
  "idempotencyKey",
  "timeoutMs",
  "traceparent",
]);

/** The arguments of `emit` after the event's name; the payload of an event without fields may be left out. */
export type EmitArguments<Name extends EventName> =
  Record<string, never> extends EventPayloads[Name]
    ? [payload?: EventPayloads[Name], options?: EmitOptions]
    : [payload: EventPayloads[Name], options?: EmitOptions];

/** The most events that one call, or one HTTP request, may publish. */
export const MAX_BATCH_EVENTS = 1_000;
const DEFAULT_TIMEOUT_MS = 5_000;
/** The same for all calls without any, which have nothing to check. */
const NO_OPTIONS: EmitOptions = {};
/** What an idempotency key looks like. */
export const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{1,200}$/;
/** Concurrent calls that may wait for a publisher that does not answer; later ones are refused at once. */
const MAX_PENDING_EVENTS = 100_000;

/**
 * Broadcasts the contract's events to every connection of a session.
 *
 * A resolved promise means that the event is in the history of each room of its audience and published to all
 * replicas. A rejected one is an {@link EmitterError}.
 */
export class Emitter {
  readonly #publisher: Publisher;
  readonly #keys = new KeyMaker();
  /** Those under way. */
  readonly #calls = new Set<PublishCall>();
  readonly #order = new CallOrder(this.#calls);
  #made = 0;
  readonly #owner: CallOwner;
  #isClosed = false;
  #pendingEvents = 0;

  /** Use `connect`, unless you bring a publisher of your own. */
  constructor(publisher: Publisher) {
    this.#publisher = publisher;
    this.#owner = {
      publisher,
      onSettled: (call) => {
        this.#calls.delete(call);
        this.#pendingEvents -= call.publications.length;
      },
      onAttempted: (call) => {
        this.#order.onAttempted(call);
      },
      again: (call, pauseMs) => {
        this.#order.again(call, pauseMs);
      },
      confirm: (call) => {
        this.#order.confirm(call);
      },
    };
  }

  /**
   * Publishes one event.
   *
   * @param sessionId - the lecture
   * @param name - an event of the contract
   * @param args - its payload, then {@link EmitOptions}; `created_at` and `changed_at` default to now
   * @returns the event's offset in each role room that it went to, and whether its idempotency key was seen before
   * @throws EmitterError `invalid_session_id`, `invalid_event` (with the path of each fault), `invalid_option`,
   *   `event_too_large`, `unauthorized`, `rejected`, `closed`; or, retryable, `unavailable`, `redis_full`,
   *   `redis_read_only`, `redis_loading`, `redis_lacks_replicas`, `redis_not_replicated`
   */
  async emit<Name extends EventName>(
    sessionId: string,
    name: Name,
    ...args: EmitArguments<Name>
  ): Promise<PublishResult> {
    const [payload = {}, options = NO_OPTIONS] = args as [unknown?, EmitOptions?];
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      throw new EmitterError("invalid_event", "the payload must be an object", {
        faults: [{ path: "", message: "must be an object" }],
      });
    }
    const event = parseEvent(withName(payload, name));
    const [result] = await this.emitParsed(sessionId, [event], options);
    if (!result) throw new EmitterError("unavailable", "the event was not answered for");
    return result;
  }

  /**
   * Publishes several events of one session, in this order, in one round trip. All are checked before any is
   * published. With an `idempotencyKey`, each event gets a key of its own, made of it and the event's index.
   *
   * @param sessionId - the lecture
   * @param events - up to 1,000 events as objects, with their `event` field
   * @throws EmitterError as {@link Emitter.emit} does; the paths of faults begin with the event's index
   */
  async emitAll(
    sessionId: string,
    events: readonly ClassroomEventInput[],
    options: EmitOptions = NO_OPTIONS,
  ): Promise<PublishResult[]> {
    checkList("emitAll", sessionId, events);
    if (events.length > MAX_BATCH_EVENTS) {
      const message = `at most ${String(MAX_BATCH_EVENTS)} events`;
      throw new EmitterError("invalid_event", message, { faults: [{ path: "", message }] });
    }
    if (events.length === 0) return [];
    return this.emitParsed(sessionId, parseEvents(events), options);
  }

  /**
   * As {@link Emitter.emitAll}, for events that `parseEvent` or `parseEvents` has already checked.
   *
   * @throws EmitterError as {@link Emitter.emit} does, but for `invalid_event` and `event_too_large`
   */
  async emitParsed(
    sessionId: string,
    events: readonly ClassroomEvent[],
    givenOptions: EmitOptions = NO_OPTIONS,
  ): Promise<PublishResult[]> {
    checkList("emitParsed", sessionId, events);
    const id = parseSessionId(sessionId);
    if (!id) {
      throw new EmitterError(
        "invalid_session_id",
        "a session id is 1 to 64 characters of A-Z a-z 0-9 _ -",
      );
    }
    const options =
      givenOptions === NO_OPTIONS ? NO_OPTIONS : readOptions("emit", givenOptions, EMIT_OPTIONS);
    const timeoutMs = checkTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const publications = this.#toPublications(id, events, options);
    if (this.#pendingEvents + events.length > MAX_PENDING_EVENTS) {
      throw new EmitterError("unavailable", "too many events wait to be published: slow down");
    }
    if (this.#isClosed) throw closed();
    const call = new PublishCall(this.#owner, id, publications, this.#made++, timeoutMs);
    this.#calls.add(call);
    this.#pendingEvents += events.length;
    this.#order.start(call);
    return call.result;
  }

  /** Ends the connection. Calls that are still trying are rejected with the code `closed`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const call of this.#calls) call.cancel(closed());
    this.#order.clear();
    await this.#publisher.close();
  }

  #toPublications(
    sessionId: SessionId,
    events: readonly ClassroomEvent[],
    { idempotencyKey: givenKey, traceparent: givenTraceparent }: EmitOptions,
  ): Publication[] {
    if (givenKey !== undefined && !isIdempotencyKey(givenKey)) {
      throw new EmitterError(
        "invalid_option",
        "an idempotency key is 1 to 200 visible ASCII characters",
      );
    }
    const isNew = givenKey === undefined;
    const key = givenKey ?? this.#makeKey();
    const since = performance.now();
    const traceparent = traceparentFor(givenTraceparent);
    return events.map((event, index) => ({
      sessionId,
      event,
      since,
      // One event alone has the bare key, so that `emit` and an array of one agree with the HTTP API.
      idempotencyKey: index === 0 ? key : keyOfLater(key, index),
      isNew,
      ...(traceparent !== undefined && { traceparent }),
    }));
  }

  #makeKey(): string {
    return this.#publisher.recognizesNewKeys === true ? this.#keys.next() : randomUUID();
  }
}

/** A pattern takes `null` for a text, and all events of a session under the key "null" would be one. */
function isIdempotencyKey(key: unknown): boolean {
  return typeof key === "string" && IDEMPOTENCY_KEY_PATTERN.test(key);
}

function withName(payload: object, name: unknown): object {
  try {
    return { ...payload, event: name };
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** Callers in JavaScript leave out the session, or bring what is like an array. */
function checkList(method: string, sessionId: unknown, events: unknown): void {
  if (Array.isArray(events)) return;
  if (typeof sessionId === "object" && sessionId !== null) {
    const message = `the session id is missing: ${method}(sessionId, events)`;
    throw new EmitterError("invalid_session_id", message);
  }
  const message = `must be an array: ${method}(sessionId, [{ event, ... }, ...]); what is iterated over is collected before`;
  throw new EmitterError("invalid_event", `the events ${message}`, {
    faults: [{ path: "", message }],
  });
}

function closed(): EmitterError {
  return new EmitterError("closed", "the emitter has been closed");
}

function checkTimeout(timeoutMs: number): number {
  if (Number.isSafeInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= 2 ** 31 - 1)
    return timeoutMs;
  throw new EmitterError("invalid_option", "timeoutMs is a whole number of milliseconds above 0");
}
