import type { ClassroomEvent, EventName, RoomName } from "@inthon/emitter/protocol";
import type { TraceParent } from "@inthon/emitter";
import type { Postmark } from "../cluster/ports.js";
import type { Counts } from "../telemetry/counts.js";
import { Batch, type Lane, type SentEvent } from "./batch.js";

/** Events that are written together: more would save nothing, and each may be 64 KiB long. */
const MAX_EVENTS = 32;

type Member = Pick<Lane, "write">;

/** An event of a room. */
export interface ToldEvent extends SentEvent {
  readonly event: ClassroomEvent;
}

/** One that belongs to a trace. */
export interface TracedEvent extends ToldEvent {
  readonly postmark: Postmark & { readonly trace: TraceParent };
}

/** Told of each that belongs to a trace, when all members have been written to. */
export type TraceListener = (room: RoomName, event: TracedEvent, connections: number) => void;

/** Told of a room whose members may have missed something, for an error that nobody expected. */
export type BreakListener = (room: RoomName, error: unknown) => void;

/** What one turn has brought for a room. */
interface Waiting {
  readonly events: SentEvent[];
  /** The oldest of them that has a date. */
  oldest: { readonly event: EventName; readonly publishedAt: number } | undefined;
  /** Those that belong to a trace. */
  traced: TracedEvent[] | undefined;
}

/**
 * Hands events to the members of rooms: all that one turn of the event loop brings for a room is encoded once and
 * written once to each connection. A lone event leaves in the turn in which it came.
 *
 * Whatever else changes or tells members of a room calls {@link FanOut.flush} before: then nothing is overtaken, and
 * nobody who joins gets what was meant for those before.
 */
export class FanOut {
  readonly #members = new Map<RoomName, Map<string, Member>>();
  readonly #waiting = new Map<RoomName, Waiting>();
  readonly #counts: Pick<Counts, "deliveries" | "publishToSocket">;
  readonly #onBroken: BreakListener;
  readonly #onTraced: TraceListener | undefined;
  #isScheduled = false;

  constructor(
    counts: Pick<Counts, "deliveries" | "publishToSocket">,
    onBroken: BreakListener,
    onTraced?: TraceListener,
  ) {
    this.#counts = counts;
    this.#onBroken = onBroken;
    this.#onTraced = onTraced;
  }

  /** Makes a connection a member. */
  join(room: RoomName, id: string, lane: Member): void {
    const members = this.#members.get(room) ?? new Map<string, Member>();
    this.#members.set(room, members);
    members.set(id, lane);
  }

  leave(room: RoomName, id: string): void {
    const members = this.#members.get(room);
    members?.delete(id);
    if (members?.size === 0) this.#members.delete(room);
  }

  /** Who is a member now, by its id. */
  members(room: RoomName): readonly string[] {
    return [...(this.#members.get(room)?.keys() ?? [])];
  }

  /**
   * Sends an event to all who are members of the room at the end of this turn.
   *
   * @param postmark - where it tells when the event was published, the time until all have been written to is observed
   */
  send(room: RoomName, event: ToldEvent, postmark?: Postmark): void {
    let waiting = this.#waiting.get(room);
    if (!waiting)
      this.#waiting.set(room, (waiting = { events: [], oldest: undefined, traced: undefined }));
    const { events } = waiting;
    events.push(event);
    const publishedAt = postmark?.publishedAt;
    if (publishedAt !== undefined) waiting.oldest ??= { event: event.event.event, publishedAt };
    if (postmark?.trace) {
      const { trace } = postmark;
      (waiting.traced ??= []).push({ ...event, postmark: { ...postmark, trace } });
    }
    if (events.length >= MAX_EVENTS) this.flush(room);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After what came from Redis in this turn has been read, and before anything else is waited for.
    setImmediate(() => {
      this.#isScheduled = false;
      this.flushAll();
    });
  }

  /** Writes what waits for the room's members now. */
  flush(room: RoomName): void {
    const waiting = this.#waiting.get(room);
    if (!waiting) return;
    this.#waiting.delete(room);
    const members = this.#members.get(room);
    try {
      if (members) this.#write(waiting, members);
      if (!waiting.traced) return;
      for (const event of waiting.traced) this.#onTraced?.(room, event, members?.size ?? 0);
    } catch (error) {
      // Other rooms, and whoever has this one flushed, go on.
      this.#onBroken(room, error);
    }
  }

  /** Writes all that waits now. */
  flushAll(): void {
    for (const room of this.#waiting.keys()) this.flush(room);
  }

  #write({ events, oldest }: Waiting, members: ReadonlyMap<string, Member>): void {
    const batch = new Batch(events, this.#counts.deliveries);
    for (const lane of members.values()) lane.write(batch);
    if (!oldest) return;
    const lagMs = performance.now() - oldest.publishedAt;
    // Clocks are compared as well as they can be: nothing arrives before it was published.
    this.#counts.publishToSocket[oldest.event].observe(Math.max(0, lagMs) / 1_000);
  }
}
