import type { Publisher, TraceParent } from "@inthon/emitter";
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
  /** Whether it is the server's own announcement of presence, not a service's `teacher_presence`. */
  readonly isAnnouncement: boolean;
  /** About how many it takes. */
  readonly bytes: number;
}

/** What a message tells of how its event was published. */
export interface Postmark {
  /**
   * When that was, in milliseconds of this process's monotonic clock; `undefined` where the publisher did not say, or the
   * two clocks cannot be compared just now.
   */
  readonly publishedAt: number | undefined;
  /** The trace that it belongs to, where that is recorded. */
  readonly trace: TraceParent | undefined;
}

/** Takes what is published to a room. */
export type EventListener = (event: RoomEvent, postmark: Postmark | undefined) => void;

/** A place in a history, and what is in it: an event, or nothing that could be read. Whoever reads on skips that. */
export type HistoryEntry = RoomEvent | { readonly position: Position; readonly event: undefined };

/** Whether there is an event in this place. */
export function isReadable(entry: HistoryEntry): entry is RoomEvent {
  return entry.event !== undefined;
}

/**
 * Where a history stands, and where its earlier epochs ended. Redis begins a new epoch with each of its incarnations; n
 * counts on over all of them. What Redis forgot lies behind the end of the epoch in which it was given.
 */
export interface Standing {
  /** The place of the newest event. */
  readonly head: Position;
  /** The last place of each earlier epoch, oldest first. */
  readonly ends: readonly Position[];
}

/** How much a page of a history holds at most. One entry is in it in any case, where there is one. */
export interface PageLimit {
  readonly events: number;
  readonly bytes: number;
}

/** What a room's history answers. */
export interface HistoryPage extends Standing {
  /** What comes after the position asked for, oldest first. */
  readonly events: readonly HistoryEntry[];
}

/** A room is kept each time that this part of its least life is over: two failures cost nothing. */
export const KEEP_PART = 0.3;

/**
 * Carries events between replicas and keeps their history.
 *
 * Guarantees: whatever is published to a room after {@link Broker.subscribe} resolved, and while
 * {@link Broker.isHeard} says so, reaches the subscriber once, in the order of the history; and whatever reaches a
 * subscriber can be read from the history before.
 */
export interface Broker {
  readonly publisher: Publisher;
  /** Whether the room's subscription is live. */
  isHeard(room: RoomName): boolean;
  /** Told when subscriptions break (events may be missed from then on), and when they are there again. */
  onHearingChange(listener: (isHeard: boolean, rooms: "all" | Iterable<RoomName>) => void): void;
  /** Resolves when the subscription is acknowledged. One listener for each room. */
  subscribe(room: RoomName, listener: EventListener): Promise<void>;
  unsubscribe(room: RoomName): Promise<void>;
  /** How often the history of a room with members must be kept, in milliseconds, to live as long as they are there. */
  readonly keepMs: number;
  /**
   * Keeps a room's history for a few times {@link Broker.keepMs}, if it would end earlier.
   *
   * @returns how long it lives, in milliseconds
   */
  keep(room: RoomName): Promise<number>;
  /**
   * Reads history for somebody who comes into the room: begins one where there is none, and keeps it for a while.
   *
   * @param after - the position to read on from, which may be one that the history never had, or has lost: the reader
   *   compares (see {@link Standing}). `undefined` asks for the head alone.
   * @throws where the history cannot be reached
   */
  read(room: RoomName, after: Position | undefined, limit: PageLimit): Promise<HistoryPage>;
  /**
   * The same for somebody who only looks: changes nothing. Where there is no history, its head is 0-0.
   *
   * @throws where the history cannot be reached
   */
  look(room: RoomName, after: Position, limit: PageLimit): Promise<HistoryPage>;
}

/** A session's presence after a change. */
export interface PresenceState {
  /** Odd while a teacher is there, even otherwise; only grows. */
  readonly version: number;
  /**
   * In how many milliseconds it may be told. 0: now, or it has been told. Else another change has just been told: whoever
   * gets this checks again then, and tells what is so by then.
   */
  readonly waitMs: number;
}

/** One teacher's connection. */
export interface Teacher {
  readonly sessionId: SessionId;
  /** The node that holds it, by the name of its lease. */
  readonly node: string;
  /** Unique on its node. */
  readonly socketId: string;
}

/** `claim`: one who is there already, under a name that its node has now. It takes nobody's place. */
export type PresenceChange = "join" | "claim" | "leave";

/** What there is to see of a session's presence. */
export interface PresenceView {
  readonly sessionId: SessionId;
  /** Whether a teacher is there; `undefined` where all who seem to be were held by nodes that do not live. */
  readonly isOnline: boolean | undefined;
  /** Teachers in the set whose node is in no list of nodes, live or dead: nobody else will take them out. */
  readonly abandoned: readonly Teacher[];
  /** The newest version that students have been told, as far as that is known. */
  readonly announced: number | undefined;
}

/** Who teaches, over the whole cluster. */
export interface PresenceStore {
  /**
   * Adds or removes a teacher. Safe to repeat. What has joined stays in {@link PresenceStore.heldBy} until it is
   * settled, so that nothing is forgotten when a node dies half-way.
   */
  change(teacher: Teacher, change: PresenceChange): Promise<PresenceState>;
  /**
   * The state as it is.
   *
   * @param newerThan - a version that is known to be no good any more: the answer's is newer
   */
  check(sessionId: SessionId, newerThan?: number): Promise<PresenceState>;
  /** The teacher has left, and that has been announced. */
  settle(teacher: Teacher): Promise<void>;
  /**
   * Its node has sent it away, to come back elsewhere: it is believed under the name `node`, until somebody takes its place
   * or it has had its time. One who is not believed stays so, and so does one whose place was taken since it left. Safe to
   * repeat.
   *
   * @param agoMs - when it left, in milliseconds before now
   */
  handOver(teacher: Teacher, node: string, agoMs: number): Promise<void>;
  /** Their node has gone, and them with it: what is known of them lives until they have had their time. */
  keep(teachers: readonly Teacher[]): Promise<void>;
  /** The teachers that a node holds, or held when it died, in pieces; some may come twice. */
  heldBy(node: string): AsyncIterable<readonly Teacher[]> | Iterable<readonly Teacher[]>;
  /** Those of a node's teachers that the store has forgotten. They are in {@link PresenceStore.heldBy} again. */
  forgotten(node: string, teachers: readonly Teacher[]): Promise<readonly Teacher[]>;
  /** Looks at sessions without changing anything. */
  view(node: string, sessionIds: readonly SessionId[]): Promise<readonly PresenceView[]>;
  /** Whether the session has a live teacher connection. */
  isOnline(sessionId: SessionId): Promise<boolean>;
  /** What the session's students were last told; where that was never or is forgotten, whether a teacher is there. */
  isAnnounced(sessionId: SessionId): Promise<boolean>;
  /** What the students are said to have been told is wrong: whatever is announced next is news. */
  forgetAnnounced(sessionId: SessionId): Promise<void>;
}

/**
 * How a node's name came to its end: its lease ran out, as it died or was away for too long; all who were claimed under it
 * were on their way to other nodes, and have had their time; or this node, whose it was, has another one now.
 */
export type NameEnd = "died" | "had its time" | "renamed";

/** What a node's lease tells its holder. */
export interface LeaseListener {
  /**
   * The node has a new name, the first one included: whatever it holds must be claimed under it. It gets one when its
   * lease has run out, and with each new incarnation of Redis, which may have come back with less than it had.
   *
   * @param before - the name it had, which nobody uses any more
   */
  onNewName(before: string | undefined): void;
  /**
   * A part of the cluster may have come back with less than it had, and the lease is not in it: what this node holds in these
   * sessions must be claimed again.
   */
  onPartAnew(has: (sessionId: SessionId) => boolean): void;
  /**
   * The lease has just been renewed, and every other node has had the time to claim what it holds: once per name, and after
   * each {@link LeaseListener.onPartAnew}.
   */
  onSettled(): void;
  /** The lease has been renewed, and was settled before. {@link RENEWALS} times in a lease. */
  onRenewed(): void;
  /** Takes out what is claimed under a name that has ended. Called again, by this node or another, until it resolves. */
  onEnd(node: string, end: NameEnd): Promise<void>;
}

/** Leases are renewed this many times in their duration; a death is noticed one renewal late at most. */
export const RENEWALS = 10;

/** A node's claim to be alive. */
export interface Lease {
  /** The node's name in the cluster: never used again once its lease has run out. */
  readonly node: string;
  start(listener: LeaseListener): void;
  /**
   * The name for those whom this node sends to other ones: whoever joins a session takes the place of one of them. They are
   * believed for a while from now on, whatever becomes of this node.
   *
   * @throws where the cluster does not answer
   */
  nameOnTheWay(): Promise<string>;
  /**
   * Stops renewing the lease.
   *
   * @param holdsNothing - gives it up at once; else what the node held is handed over: it is swept only after a while
   */
  stop(holdsNothing: boolean): Promise<void>;
}

/** How many connections each role room has, over the whole cluster. */
export interface ConnectionCounts {
  /** Says how many members of `room` this replica holds. Told to the cluster soon, in one go with other rooms. */
  set(room: RoomName, count: number): void;
  read(sessionId: SessionId): Promise<Record<Role, number>>;
}

/** Tells operators of a replica. Asked only while one looks. */
export interface Teller {
  /** What there is to know of it now: a short text. */
  report(): string;
  /** What it knows of what is asked: a short text. */
  answer(question: string): string;
}

/** What one of the nodes has told. */
export interface Notice {
  readonly node: string;
  /** `undefined` where it has told nothing lately: it has just come, is frozen or dead, or is an older version. */
  readonly report: string | undefined;
}

export interface Answers {
  readonly texts: readonly string[];
  /** How many nodes have not answered in time. */
  readonly silent: number;
}

/** Another question is under way. */
export class BoardBusy extends Error {
  override readonly name = "BoardBusy";
}

/** Where all nodes tell operators of themselves, as long as one looks: else nothing is sent for it. */
export interface Board {
  start(teller: Teller): void;
  /** Something has happened that whoever looks should see, though this node may be gone soon. */
  tellNow(): void;
  /**
   * Says that somebody looks, for a few seconds, and reads what has been told: of a node that has gone since the last look once
   * more. Rejects as Redis does.
   */
  look(): Promise<readonly Notice[]>;
  /**
   * Asks all nodes, one question at a time in the whole cluster.
   *
   * @throws BoardBusy where another one is under way
   */
  ask(question: string, timeoutMs: number): Promise<Answers>;
}
