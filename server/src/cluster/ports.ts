import type { Publisher } from "@inthon/emitter";
import type {
  ClassroomEvent,
  Offset,
  Position,
  Role,
  RoomName,
  SessionId,
} from "@inthon/emitter/protocol";

/** An event at its place in a room's history. */
export interface RoomEvent {
  readonly position: Position;
  readonly offset: Offset;
  readonly event: ClassroomEvent;
}

/** What a room's history answers. */
export interface HistoryPage {
  /** Where the history stands now. */
  readonly head: Position;
  /** The events after the position asked for, oldest first and without a hole; empty for another epoch's position. */
  readonly events: readonly RoomEvent[];
}

/**
 * Carries events between replicas and keeps their history.
 *
 * Guarantees: whatever is published to a room after {@link Broker.subscribe} resolved, and while
 * {@link Broker.isConnected}, reaches the subscriber once, in the order of the history; and whatever reaches a
 * subscriber can be read from the history before.
 */
export interface Broker {
  readonly publisher: Publisher;
  /** Whether the subscriptions are live. */
  readonly isConnected: boolean;
  /** Told when the subscriptions break (events may be missed from then on), and when all are there again. */
  onConnectionChange(listener: (isConnected: boolean) => void): void;
  /** Resolves when the subscription is acknowledged. One listener for each room. */
  subscribe(room: RoomName, listener: (event: RoomEvent) => void): Promise<void>;
  unsubscribe(room: RoomName): Promise<void>;
  /**
   * Reads history, and begins one where there is none.
   *
   * @param known - the position to read on from; a history of the same epoch that is behind it has lost events that
   *   were already told, and is replaced by a new epoch. `undefined` asks for the head alone.
   * @param limit - events at most
   * @throws where the history cannot be reached
   */
  read(room: RoomName, known: Position | undefined, limit: number): Promise<HistoryPage>;
}

/** A session's presence after a change: `version` is odd while a teacher is there, even otherwise, and only grows. */
export interface PresenceState {
  readonly version: number;
}

/** Who teaches, over the whole cluster. */
export interface PresenceStore {
  /** Adds or removes one teacher connection. Safe to repeat. */
  change(sessionId: SessionId, member: string, change: "join" | "leave"): Promise<PresenceState>;
  /** Whether the session has a live teacher connection. */
  isOnline(sessionId: SessionId): Promise<boolean>;
  /** What the session's students were last told; where that was never or is forgotten, whether a teacher is there. */
  isAnnounced(sessionId: SessionId): Promise<boolean>;
}

/** How many connections each role room has, over the whole cluster. */
export interface ConnectionCounts {
  /** Says how many members of `room` this replica holds. Told to the cluster soon, in one go with other rooms. */
  set(room: RoomName, count: number): void;
  read(sessionId: SessionId): Promise<Record<Role, number>>;
}
