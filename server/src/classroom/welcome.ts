import type { ConnectedEvent, Offset } from "@inthon/emitter/protocol";
import { DeliveryTally } from "../telemetry/delivery-tally.js";
import type { Room } from "../cluster/room.js";
import type { Identity } from "./address.js";
import { Batch, type SentEvent } from "./batch.js";

interface Welcome {
  readonly teacherOnline: boolean;
  readonly offset: Offset;
  readonly batch: Batch;
}

/** What new connections are told first: encoded once for all who come to a room between two of its events. */
export class Welcomes {
  /** Read by nobody: it is no event of the room. */
  readonly #tally = new DeliveryTally();
  readonly #newest = new WeakMap<Room, Welcome>();

  /** `connected` alone, for a connection that has missed nothing. */
  batch(room: Room, identity: Identity, offset: Offset): Batch {
    const { teacherOnline } = room;
    const known = this.#newest.get(room);
    if (known?.offset === offset && known.teacherOnline === teacherOnline) return known.batch;
    const batch = new Batch([connected(room, identity, offset)], this.#tally);
    this.#newest.set(room, { teacherOnline, offset, batch });
    return batch;
  }
}

/** The first thing that a connection is told (PROTOCOL.md, section 3), with the position that it starts from. */
function connected(room: Room, { sessionId, role }: Identity, offset: Offset): SentEvent {
  const event: ConnectedEvent = {
    event: "connected",
    session_id: sessionId,
    role,
    teacher_online: role === "student" && room.teacherOnline,
  };
  return { event, offset };
}
