import type { CountedEvent } from "../load/event-number.js";

/** How events get to Redis. */
export type TargetKind = "ours" | "stock" | "floor";

export interface Target {
  /** What later requests call it. */
  readonly name: string;
  readonly kind: TargetKind;
  readonly redisUrl: string;
}

/** Events at a steady rate. */
export interface Stream {
  readonly target: string;
  /** Each event, or each burst, goes to one of them; to a random one if there are several. */
  readonly sessions: readonly string[];
  /** Event `n` of a session, counted from 1, is `events[(n - 1) % length]`. */
  readonly events: readonly CountedEvent[];
  readonly bursts: number;
  readonly burstsPerSecond: number;
  /** Events that are emitted in one turn of the event loop. */
  readonly burst: number;
  /** Decides on the sessions. */
  readonly seed: number;
  /** Whether {@link Streamed.emittedAtNs} is wanted. */
  readonly isTimed?: boolean;
}

export interface Streamed {
  /** The number of the newest event of each session. */
  readonly lasts: Readonly<Record<string, number>>;
  readonly events: number;
  readonly elapsedMs: number;
  /** How long emitting each burst took. */
  readonly burstsMs: readonly number[];
  /** When each event was emitted, in order; empty unless it is wanted. */
  readonly emittedAtNs: readonly number[];
  /** Why events were not published, if any. */
  readonly failures: readonly string[];
}

/** As many events as can be published: each turn's are pipelined, and confirmed before the next ones. */
export interface Flood {
  readonly target: string;
  readonly sessions: readonly string[];
  readonly events: readonly CountedEvent[];
  readonly callsPerTurn: number;
  readonly forMs: number;
}

/** What a publisher process can be asked. */
export interface PublisherApi {
  open(target: Target): Promise<void>;
  stream(stream: Stream): Promise<Streamed>;
  flood(flood: Flood): Promise<Streamed>;
  close(request: { readonly target: string }): Promise<void>;
}
