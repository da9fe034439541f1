import { Adapter, type Session } from "socket.io-adapter";
import {
  isOwnRoom,
  restoreNothing,
  RoomMap,
  type Holder,
  type SessionToPersist,
} from "../lean-adapter.js";

/** Socket.IO's adapter for a single process. */
export class MemoryAdapter extends Adapter {
  override readonly rooms = new RoomMap(this.nsp as Holder);

  override addAll(id: string, rooms: Set<string>): Promise<void> | void {
    if (!isOwnRoom(id, rooms)) return super.addAll(id, rooms);
  }

  override restoreSession(pid: string): Promise<Session> {
    return restoreNothing(pid);
  }

  override persistSession(_session: SessionToPersist): void {
    // A resumed connection needs nothing of the old one.
  }
}
