import {
  roomName,
  ROLES,
  type Role,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { ConnectionCounts } from "../ports.js";

/** {@link ConnectionCounts} of a single process. */
export class MemoryConnectionCounts implements ConnectionCounts {
  readonly #counts = new Map<RoomName, number>();

  set(room: RoomName, count: number): void {
    if (count > 0) this.#counts.set(room, count);
    else this.#counts.delete(room);
  }

  read(sessionId: SessionId): Promise<Record<Role, number>> {
    const counts = ROLES.map((role) => [role, this.#counts.get(roomName(sessionId, role)) ?? 0]);
    return Promise.resolve(Object.fromEntries(counts) as Record<Role, number>);
  }
}
