import type { ClassroomEvent, ConnectedEvent, Offset, RoomName } from "@inthon/emitter/protocol";
import type { ClassroomSocket } from "./classroom.js";

/** An event as a connection gets it. */
export interface SentEvent {
  readonly event: ClassroomEvent | ConnectedEvent;
  readonly offset: Offset;
}

/**
 * Writes events to each connection, in the form that it speaks, behind all that was written to it before, and tells its
 * listeners to outgoing events.
 */
export type WriteEvents = (
  connections: Iterable<ClassroomSocket>,
  events: readonly SentEvent[],
) => void;

/** Events that are written together: more would save nothing, and each may be 64 KiB long. */
const MAX_EVENTS = 32;

/**
 * Hands events to the members of rooms: all that one turn of the event loop brings for a room is encoded once and
 * written once to each connection. A lone event leaves in the turn in which it came.
 *
 * Whatever else changes or tells members of a room calls {@link FanOut.flush} before: then nothing is overtaken, and
 * nobody who joins gets what was meant for those before.
 */
export class FanOut {
  readonly #membersOf: (room: RoomName) => Iterable<ClassroomSocket>;
  readonly #write: WriteEvents;
  readonly #waiting = new Map<RoomName, SentEvent[]>();
  #isScheduled = false;

  constructor(membersOf: (room: RoomName) => Iterable<ClassroomSocket>, write: WriteEvents) {
    this.#membersOf = membersOf;
    this.#write = write;
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

  /** Writes events to one connection now. */
  tell(connection: ClassroomSocket, events: readonly SentEvent[]): void {
    for (let from = 0; from < events.length; from += MAX_EVENTS) {
      this.#write([connection], events.slice(from, from + MAX_EVENTS));
    }
  }

  /** Writes what waits for the room's members now. */
  flush(room: RoomName): void {
    const events = this.#waiting.get(room);
    if (!events) return;
    this.#waiting.delete(room);
    this.#write(this.#membersOf(room), events);
  }

  /** Writes all that waits now. */
  flushAll(): void {
    for (const room of this.#waiting.keys()) this.flush(room);
  }
}
