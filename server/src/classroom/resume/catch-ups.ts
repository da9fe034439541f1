import type { Position } from "@inthon/emitter/protocol";
import type { HistoryEntry } from "../../cluster/ports.js";
import type { Room } from "../../cluster/room.js";
import type { DeliveryTally } from "../../telemetry/delivery-tally.js";
import type { Lane } from "../batch.js";
import { Slices } from "./slices.js";

/** What those who catch up may take of one turn of the event loop, in milliseconds: everybody else waits meanwhile. */
const TURN_MS = 3;

/** A connection that has missed something, and has not had all of it yet. */
export interface CatchUp {
  /** The socket's. */
  readonly id: string;
  readonly room: Room;
  readonly lane: Lane;
  /** Where it stands. */
  place: Position;
  /** What it knows of the teacher, by announcements. */
  known: boolean | undefined;
  /** Whether there is more that it has not had. */
  isBehind: boolean;
}

/** What becomes of them. */
export interface CatchUpListener {
  /** It has had all that the room's members have been told: in this step it must become one. */
  onCaughtUp(catchUp: CatchUp): void;
  /** It has been told that the session has ended. */
  onSessionEnded(catchUp: CatchUp): void;
}

/**
 * Sends connections what they missed: a slice at a time, each when the client has read the one before, and one connection
 * after the other. What comes meanwhile is in the room's recent events, and so in its turn; it becomes a member in the
 * step in which nothing is left. One that is so slow that the room's recent events move past it is cut.
 */
export class CatchUps {
  readonly #listener: CatchUpListener;
  readonly #slices: Slices;
  readonly #all = new Map<string, CatchUp>();
  /** Those that can have the next slice, in the order in which they get it. */
  readonly #ready = new Set<CatchUp>();
  #isScheduled = false;

  /** @param sliceBytes - of JSON, in what is sent in one go */
  constructor(sliceBytes: number, tally: DeliveryTally, listener: CatchUpListener) {
    this.#slices = new Slices(sliceBytes, tally);
    this.#listener = listener;
  }

  begin(catchUp: CatchUp): void {
    this.#all.set(catchUp.id, catchUp);
    this.#makeReady(catchUp);
  }

  has(id: string): boolean {
    return this.#all.has(id);
  }

  /** To be called when a connection has ended, whether it was catching up or not. */
  end(id: string): void {
    const catchUp = this.#all.get(id);
    if (!catchUp) return;
    this.#all.delete(id);
    this.#ready.delete(catchUp);
    if (this.#all.size === 0) this.#slices.clear();
  }

  #makeReady(catchUp: CatchUp): void {
    this.#ready.add(catchUp);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#takeTurn();
    });
  }

  #takeTurn(): void {
    const end = performance.now() + TURN_MS;
    // Whoever can have another slice at once stands at the end again.
    for (const catchUp of this.#ready) {
      this.#ready.delete(catchUp);
      try {
        this.#proceed(catchUp);
      } catch (error) {
        // The others have their turn all the same.
        this.end(catchUp.id);
        catchUp.lane.drop(error);
      }
      if (performance.now() >= end) break;
    }
    for (const catchUp of this.#ready) {
      this.#makeReady(catchUp);
      break;
    }
  }

  #proceed(catchUp: CatchUp): void {
    const { room, lane, place } = catchUp;
    if (!lane.isRead) {
      lane.onceRead(() => {
        if (this.#all.get(catchUp.id) === catchUp) this.#makeReady(catchUp);
      });
      return;
    }
    const missed = room.eventsSince(place, this.#slices.reach(place.n));
    if (!missed) {
      lane.cut();
      return;
    }
    if (isSome(missed) && this.#send(catchUp, missed)) {
      this.#finish(catchUp, () => {
        this.#listener.onSessionEnded(catchUp);
      });
    } else if (catchUp.place.n < room.position.n) {
      this.#makeReady(catchUp);
    } else {
      catchUp.isBehind = false;
      this.#finish(catchUp, () => {
        this.#listener.onCaughtUp(catchUp);
      });
    }
  }

  /** @returns whether the session has ended with it */
  #send(catchUp: CatchUp, missed: readonly [HistoryEntry, ...HistoryEntry[]]): boolean {
    const { batch, last, known, endsSession } = this.#slices.first(missed, catchUp.known);
    if (batch.events.length > 0) catchUp.lane.write(batch);
    catchUp.place = last.position;
    catchUp.known = known;
    return endsSession;
  }

  #finish(catchUp: CatchUp, then: () => void): void {
    this.end(catchUp.id);
    then();
  }
}

function isSome(
  events: readonly HistoryEntry[],
): events is readonly [HistoryEntry, ...HistoryEntry[]] {
  return events.length > 0;
}
