import { roomName, type SessionId } from "@inthon/emitter/protocol";
import type { PresenceChange, PresenceState, PresenceStore, Teacher } from "../ports.js";
import type { MemoryBroker } from "./broker.js";

/** {@link PresenceStore} of a single process. */
export class MemoryPresenceStore implements PresenceStore {
  readonly #broker: MemoryBroker;
  readonly #sessions = new Map<SessionId, Set<string>>();

  constructor(broker: MemoryBroker) {
    this.#broker = broker;
  }

  change({ sessionId, socketId }: Teacher, change: PresenceChange): Promise<PresenceState> {
    const teachers = this.#sessions.get(sessionId) ?? new Set();
    if (change === "join") teachers.add(socketId);
    else teachers.delete(socketId);
    if (teachers.size > 0) this.#sessions.set(sessionId, teachers);
    else this.#sessions.delete(sessionId);
    return this.check(sessionId);
  }

  check(sessionId: SessionId): Promise<PresenceState> {
    const announced = this.#broker.announcedVersion(roomName(sessionId, "student")) ?? 0;
    const parity = this.#sessions.has(sessionId) ? 1 : 0;
    return Promise.resolve({ version: announced % 2 === parity ? announced : announced + 1 });
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  heldBy(): Promise<Teacher[]> {
    return Promise.resolve([]);
  }

  isOnline(sessionId: SessionId): Promise<boolean> {
    return Promise.resolve(this.#sessions.has(sessionId));
  }

  isAnnounced(sessionId: SessionId): Promise<boolean> {
    const announced = this.#broker.announcedVersion(roomName(sessionId, "student"));
    return announced === undefined
      ? this.isOnline(sessionId)
      : Promise.resolve(announced % 2 === 1);
  }
}
