import { roomName, type SessionId } from "@inthon/emitter/protocol";
import type {
  PresenceChange,
  PresenceState,
  PresenceStore,
  PresenceView,
  Teacher,
} from "../ports.js";
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

  check(sessionId: SessionId, newerThan = -1): Promise<PresenceState> {
    const announced = this.#broker.announcedVersion(roomName(sessionId, "student")) ?? 0;
    const parity = this.#sessions.has(sessionId) ? 1 : 0;
    const least = Math.max(announced, newerThan + 1);
    return Promise.resolve({ version: least % 2 === parity ? least : least + 1 });
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  heldBy(): Promise<Teacher[]> {
    return Promise.resolve([]);
  }

  forgotten(): Promise<readonly Teacher[]> {
    // What a process holds and what it remembers is one.
    return Promise.resolve([]);
  }

  view(_node: string, sessionIds: readonly SessionId[]): Promise<readonly PresenceView[]> {
    const views = sessionIds.map((sessionId) => ({
      sessionId,
      isOnline: this.#sessions.has(sessionId),
      abandoned: [],
      announced: this.#broker.announcedVersion(roomName(sessionId, "student")),
    }));
    return Promise.resolve(views);
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

  forgetAnnounced(): Promise<void> {
    return Promise.resolve();
  }
}
