import type { RoomName } from "@inthon/emitter/protocol";
import { Batch, type Lane, type SentEvent } from "./batch.js";

/** Events that are written together: more would save nothing, and each may be 64 KiB long. */
const MAX_EVENTS = 32;

type Member = Pick<Lane, "write">;

/**
 * Hands events to the members of rooms: all that one turn of the event loop brings for a room is encoded once and
 * written once to each connection. A lone event leaves in the turn in which it came.
 *
 * Whatever else changes or tells members of a room calls {@link FanOut.flush} before: then nothing is overtaken, and
 * nobody who joins gets what was meant for those before.
 */
export class FanOut {
  readonly #members = new Map<RoomName, Map<string, Member>>();
  readonly #waiting = new Map<RoomName, SentEvent[]>();
  #isScheduled = false;

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

  /** Sends an event to all who are members of the room at the end of this turn. */
  send(room: RoomName, event: SentEvent): void {
    const events = this.#waiting.get(room);
    if (events) events.push(event);
    else this.#waiting.set(room, [event]);
    if (events && events.length >= MAX_EVENTS) this.flush(room);
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
    const events = this.#waiting.get(room);
    if (!events) return;
    this.#waiting.delete(room);
    const members = this.#members.get(room);
    if (!members) return;
    const batch = new Batch(events);
    for (const lane of members.values()) lane.write(batch);
  }

  /** Writes all that waits now. */
  flushAll(): void {
    for (const room of this.#waiting.keys()) this.flush(room);
  }
}
