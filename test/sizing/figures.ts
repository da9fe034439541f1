import { readFileSync } from "node:fs";
import type { RowId } from "../bench/rows.js";

/** Where a number comes from: of the benchmark's file, measured by hand once, what is set, or what is planned with. */
export type Basis = "measured" | "by hand" | "setting" | "plan";

export interface Figure {
  readonly value: number;
  readonly basis: Basis;
  /** Where it is to be found, or how it was had. */
  readonly source: string;
}

export interface Figures {
  /** CPU of a replica for one more connection that is told an event, in µs. */
  readonly deliveryUs: Figure;
  /** CPU of a replica for one event of a room that it holds, whoever is in it, in µs. */
  readonly eventUs: Figure;
  /** CPU of a replica for one connection that is made, in µs. */
  readonly connectUs: Figure;
  /** Heap of a replica for an idle Socket.IO connection, in bytes. */
  readonly connectionBytes: Figure;
  /** CPU of Redis for an event that is published by itself, with three replicas that hear it, in µs. */
  readonly publishUs: Figure;
}

const BENCH = new URL("../bench/bench.json", import.meta.url);

interface BenchRow {
  readonly id: string;
  readonly variants: readonly { readonly name: string; readonly median: number }[];
  readonly details: Readonly<Record<string, readonly number[] | undefined>>;
}

/** Students of a session, as the benchmark's row `many-sessions` has them, and clients of its row `fan-out`. */
const SMALL_ROOM = 20;
const LARGE_ROOM = 1_000;

/** Reads what the benchmark measured last. */
export function readFigures(): Figures {
  const { rows } = JSON.parse(readFileSync(BENCH, "utf8")) as { rows: readonly BenchRow[] };
  const rowOf = (id: RowId): BenchRow => {
    const row = rows.find((it) => it.id === id);
    if (!row) throw new Error(`test/bench/bench.json has no row ${id}: run npm run bench`);
    return row;
  };
  const ours = (id: RowId): number => {
    const median = rowOf(id).variants.find(({ name }) => name === "ours")?.median;
    if (median === undefined) throw new Error(`The row ${id} has no figure of ours`);
    return median;
  };
  const measured = (value: number, source: string): Figure => ({
    value,
    basis: "measured",
    source,
  });
  // Two rooms, two unknowns: what an event costs, and what each of its deliveries does.
  const [small, large] = [SMALL_ROOM * ours("many-sessions"), LARGE_ROOM * ours("fan-out")];
  const deliveryUs = (large - small) / (LARGE_ROOM - SMALL_ROOM);
  const alone = rowOf("publish").details["ours µs with one event for each room in a turn"] ?? [];
  return {
    deliveryUs: measured(
      deliveryUs,
      "rows fan-out and many-sessions: what 1,000 cost more than 20",
    ),
    eventUs: measured(
      Math.max(0, small - SMALL_ROOM * deliveryUs),
      "the same: what is left for none",
    ),
    connectUs: measured(ours("connect"), "row connect"),
    connectionBytes: measured(ours("memory") * 1_000, "row memory"),
    publishUs: measured(medianOf(alone), "row publish, one event for each room in a turn"),
  };
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error("The row publish has no figures of single events");
  return middle;
}

const byHand = (value: number, source: string): Figure => ({ value, basis: "by hand", source });
const setting = (value: number, source: string): Figure => ({ value, basis: "setting", source });
const plan = (value: number, source: string): Figure => ({ value, basis: "plan", source });

/** What the benchmark does not measure. By hand: Redis 7.0.15 and Node.js 20 on the benchmark's machine, CPU by `INFO`. */
export const OTHERS = {
  copyUs: byHand(
    4.2,
    "PUBLISH to 40 subscribers, one at a time: a write each; 0.5 where 20 share one",
  ),
  readUs: byHand(0.65, "SMEMBERS, GET and SISMEMBER, 99 in a turn"),
  subscriptionBytes: byHand(146, "used_memory for 200,000 subscriptions to 5,000 channels"),
  storedBytes: byHand(
    375,
    "used_memory for 1,000 questions in both rooms: README, What Redis may lose",
  ),
  cachedBytes: byHand(
    457,
    "heap for 50,000 events as a replica keeps them, questions of 190 bytes",
  ),
  baseBytes: byHand(30_000_000, "heap of a replica that nobody has joined"),
  connectionsEach: plan(10_000, "half of MAX_CONNECTIONS: the other half is for a lost zone's"),
  coreShare: plan(0.6, "of one core, as one event loop has no more"),
  heapShare: plan(
    0.4,
    "of a replica's memory: V8 takes half of it, and a fifth of that stays free",
  ),
  leastReplicas: plan(3, "one for each zone"),
  redisShare: plan(0.5, "of one core: the rest is for a class that comes back"),
  redisBytes: plan(24e9, "so that a snapshot and a resync take a minute or two"),
  redisClients: setting(10_000, "maxclients of Redis"),
  leaseS: setting(
    10,
    "LEASE_MS: each session is looked up once in it, each teacher every 0.4 of it",
  ),
  beatS: setting(5, "how often a canary publishes, with --canary"),
} as const satisfies Record<string, Figure>;
