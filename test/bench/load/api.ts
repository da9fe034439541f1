import type { Target } from "./connection.js";
import type { LatencySummary } from "./latencies.js";
import type { Pattern } from "./sequence.js";

/** Clients that share a room. */
export interface Group extends Target {
  /** Names the session whose events count. */
  readonly session: string;
  readonly pattern: Pattern;
  readonly clients: number;
}

/** What clients saw, since the last time that it was asked. */
export interface Seen {
  readonly deliveries: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Connections that ended or spoke out of turn, and why the first one did. */
  readonly broken: number;
  readonly reason?: string;
}

/** Counts what Redis sends to subscribers that do nothing else. */
export interface Subscription {
  readonly port: number;
  readonly command: "SUBSCRIBE" | "PSUBSCRIBE";
  readonly channels: readonly string[];
}

/** What a load process can be asked. */
export interface LoadApi {
  /** Resolves when all are members of their rooms. */
  connect(request: { groups: readonly Group[] }): Promise<void>;
  /**
   * Resolves when every client has got its session's events up to the last one, or none has come for a while.
   *
   * @param request.lasts - the number of each session's newest event
   */
  expect(request: { lasts: Readonly<Record<string, number>> }): Promise<Seen>;
  /** Begins to note when events are received, by one of so many clients; the others do not read meanwhile. */
  watch(request: { oneOf: number }): void;
  /** Resolves when those clients have got all. */
  reach(request: { lasts: Readonly<Record<string, number>>; oneOf: number }): Promise<void>;
  /** Ends it when those clients have got all. */
  unwatch(request: { lasts: Readonly<Record<string, number>>; oneOf: number }): Promise<void>;
  /** Compares with when events were emitted, beginning with event `first`. */
  latencies(request: { emittedAtNs: readonly number[]; first: number }): LatencySummary;
  /** Reads only between naps from now on, until `ms` is 0. */
  nap(request: { ms: number }): void;
  /** Resolves when all have been subscribed. */
  subscribe(request: { subscriptions: readonly Subscription[] }): Promise<void>;
  /** How many messages the subscribers have got, once there are `expected`, or none has come for a while. */
  messages(request: { expected: number }): Promise<number>;
  /** Ends all connections. */
  close(request: object): void;
}
