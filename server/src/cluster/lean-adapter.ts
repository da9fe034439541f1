import { randomBytes } from "node:crypto";
import type { Adapter, Session } from "socket.io-adapter";

// socket.io-adapter does not export this type.
export type SessionToPersist = Omit<Session, "missedPackets">;

/** Socket.IO calls this with `new` for each namespace. */
export type AdapterFactory = typeof Adapter;

/**
 * Socket.IO asks for the state of a returning client before any middleware has admitted it, and believes what it is
 * told: rooms are joined and packets written at once. So it gets nothing but the `pid` it came with and a fresh socket
 * id. What was missed is sent after admission, by the classroom.
 */
export function restoreNothing(pid: string): Promise<Session> {
  const session = {
    // As long as the ids that Socket.IO makes itself.
    sid: randomBytes(15).toString("base64url"),
    pid,
    rooms: [],
    data: {},
    missedPackets: [],
  };
  return Promise.resolve(session);
}

/** A namespace of Socket.IO, by the sockets that it holds. socket.io-adapter's own type of it is `any`. */
export interface Holder {
  readonly sockets: ReadonlyMap<string, unknown>;
}

/**
 * The rooms of an adapter. Socket.IO puts each socket into a room of its own, named by its id: a set and two entries for
 * each, of which nothing is read but that id. So that room is made when it is asked for.
 */
export class RoomMap extends Map<string, Set<string>> {
  readonly #sockets: ReadonlyMap<string, unknown>;

  constructor({ sockets }: Holder) {
    super();
    this.#sockets = sockets;
  }

  override get(room: string): Set<string> | undefined {
    return super.get(room) ?? (this.#sockets.has(room) ? new Set([room]) : undefined);
  }

  override has(room: string): boolean {
    return super.has(room) || this.#sockets.has(room);
  }
}

/** Whether these are the rooms of a socket that is only joining its own. */
export function isOwnRoom(id: string, rooms: ReadonlySet<string>): boolean {
  return rooms.size === 1 && rooms.has(id);
}
