import { roomName, type SessionId } from "@inthon/emitter/protocol";
import type {
  PresenceChange,
  PresenceState,
  PresenceStore,
  PresenceView,
  Teacher,
} from "../ports.js";
import type { MemoryBroker } from "./broker.js";

/** The time after a change that was told. */
interface Window {
  readonly over: number;
  /** Of the version that opened it. */
  readonly parity: number;
  readonly forget: NodeJS.Timeout;
}

/** {@link PresenceStore} of a single process. */
export class MemoryPresenceStore implements PresenceStore {
  readonly #broker: MemoryBroker;
  readonly #windowMs: number;
  readonly #sessions = new Map<SessionId, Set<string>>();
  readonly #windows = new Map<SessionId, Window>();

  constructor(broker: MemoryBroker, windowMs: number) {
    this.#broker = broker;
    this.#windowMs = windowMs;
  }

  change({ sessionId, socketId }: Teacher, change: PresenceChange): Promise<PresenceState> {
    const wasThere = this.#sessions.has(sessionId);
    const teachers = this.#sessions.get(sessionId) ?? new Set();
    if (change === "leave") teachers.delete(socketId);
    else teachers.add(socketId);
    if (teachers.size > 0) this.#sessions.set(sessionId, teachers);
    else this.#sessions.delete(sessionId);
    return Promise.resolve(this.#state(sessionId, -1, wasThere !== this.#sessions.has(sessionId)));
  }

  check(sessionId: SessionId, newerThan = -1): Promise<PresenceState> {
    return Promise.resolve(this.#state(sessionId, newerThan, false));
  }

  #state(sessionId: SessionId, newerThan: number, isChange: boolean): PresenceState {
    const announced = this.#broker.announcedVersion(roomName(sessionId, "student")) ?? 0;
    const parity = this.#sessions.has(sessionId) ? 1 : 0;
    const least = Math.max(announced, newerThan + 1);
    const version = least % 2 === parity ? least : least + 1;
    return { version, waitMs: this.#waitFor(sessionId, parity, isChange) };
  }

  /** As `presence.lua` has it. */
  #waitFor(sessionId: SessionId, parity: number, isChange: boolean): number {
    if (this.#windowMs === 0) return 0;
    const window = this.#windows.get(sessionId);
    const now = performance.now();
    if (window ? window.parity === parity : !isChange) return 0;
    if (window && window.over > now) return window.over - now;
    clearTimeout(window?.forget);
    const forget = setTimeout(
      () => {
        this.#windows.delete(sessionId);
      },
      2 * this.#windowMs + 1_000,
    ).unref();
    this.#windows.set(sessionId, { over: now + this.#windowMs, parity, forget });
    return 0;
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  handOver(): Promise<void> {
    // There is nobody to whom it could go.
    return Promise.resolve();
  }

  keep(): Promise<void> {
    return Promise.resolve();
  }

  heldBy(): readonly never[] {
    return [];
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
