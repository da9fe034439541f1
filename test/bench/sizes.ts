/** How much of everything: the whole benchmark in about ten minutes, `--quick` in two. */
export interface Sizes {
  readonly rounds: number;
  /** How long events are emitted in each round of a row. */
  readonly windowMs: number;
  /** The same for each step of the calibration. */
  readonly calibrationMs: number;
  /** Clients in the one room of the fan-out rows. */
  readonly roomClients: number;
  /** Clients of the rows on memory, connecting and the big room. */
  readonly crowdClients: number;
  /** As many of them, the first ones, count for the row on connecting. */
  readonly connectClients: number;
  /** Events for the big room in each round. */
  readonly bigRoomEvents: number;
  readonly sessions: number;
  readonly studentsPerSession: number;
  /** Clients on each replica of the row on latency. */
  readonly latencyClients: number;
  /** How long events are emitted in each round of the row on latency: its p99 is that of so many events. */
  readonly latencyMs: number;
  /** How long the row on latency is rehearsed, for each system. */
  readonly rehearsalMs: number;
  /**
   * Clients on each replica of the row on replicas. Few, so that even three replicas' fit the second cache of the core
   * that they share here, as one's would on a core of its own: with 300 on each, the row is that cache's figure (1.38
   * on a core with 2 MB of it, 1.02 on another processor; with 2,000 on each, 1.06).
   */
  readonly replicaClients: number;
}

export const FULL: Sizes = {
  rounds: 5,
  windowMs: 3_500,
  calibrationMs: 2_000,
  roomClients: 1_000,
  crowdClients: 10_000,
  connectClients: 5_000,
  bigRoomEvents: 20,
  sessions: 500,
  studentsPerSession: 20,
  latencyClients: 100,
  latencyMs: 5_000,
  rehearsalMs: 5_000,
  replicaClients: 100,
};

export const QUICK: Sizes = {
  ...FULL,
  rounds: 3,
  windowMs: 1_200,
  calibrationMs: 1_500,
  crowdClients: 2_500,
  connectClients: 1_250,
  bigRoomEvents: 10,
  sessions: 100,
  latencyMs: 2_000,
  rehearsalMs: 2_000,
};

/** Emitted in one turn of the event loop. */
export const BURST_EVENTS = 20;
