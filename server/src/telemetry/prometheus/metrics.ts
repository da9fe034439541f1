import { readFileSync } from "node:fs";
import { Counter, Gauge, Registry } from "prom-client";
import { PROTOCOLS } from "../labels.js";
import type { Counts } from "../counts.js";
import type { Distribution } from "../distribution.js";
import { REFUSAL_CODES, type Refusals } from "../refusals.js";
import { DistributionMetric, type Sources } from "./distribution-metric.js";
import { collectProcessMetrics } from "./process-metrics.js";
import { addRedisMetrics, type RedisStates } from "./redis-metrics.js";

/** A table of numbers, to read. */
interface Numbers {
  readonly names: readonly string[];
  rows(): Iterable<{ readonly labels: Readonly<Record<string, string>>; readonly count: number }>;
}

/** What is asked at a scrape, as it changes without being counted. */
export interface Present {
  /** Role rooms that are held, and the events of them that are kept in memory. */
  readonly rooms: () => { readonly rooms: number; readonly cachedEvents: number };
  /** As many may be there. */
  readonly maxConnections: number;
  readonly isDraining: () => boolean;
  readonly hasCanary: boolean;
  /** How it is with Redis; `undefined` where there is none. */
  readonly redis: (() => RedisStates) | undefined;
}

const { version } = JSON.parse(
  // As far away from dist as from src.
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
) as { readonly version: string };

/** Every metric of this replica, read from what it counts. The README's table has each of them. */
export function createRegistry(
  counts: Counts,
  refusals: Pick<Refusals, "totals">,
  present: Present,
): Registry {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, read: () => number) => {
    new Counter({
      name: `inthon_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  const table = (name: string, help: string, source: Numbers) => {
    const isGauge = !name.endsWith("_total");
    const metric = new (isGauge ? Gauge : Counter)({
      name: `inthon_${name}`,
      help,
      labelNames: source.names,
      registers,
      collect() {
        metric.reset();
        for (const { labels, count } of source.rows()) metric.inc(labels, count);
      },
    });
  };
  const gauge = (name: string, help: string, read: () => number) => {
    new Gauge({
      name: `inthon_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  const seconds = (name: string, help: string, source: Distribution | Sources, label?: string) => {
    const sources: Sources = "bounds" in source ? [[{}, source]] : source;
    new DistributionMetric(
      { name: `inthon_${name}`, help, registers, labelNames: label === undefined ? [] : [label] },
      sources,
    );
  };

  table("connections", "Connections that are members of a session", counts.connections);
  gauge("max_connections", "MAX_CONNECTIONS: more are refused", () => present.maxConnections);
  table("connections_opened_total", "Connections that became members", counts.opened);
  table("connections_closed_total", "Members that have gone, by why", counts.closed);
  table("joins_total", "What became of those who said who they are", counts.joins);
  seconds(
    "join_duration_seconds",
    "From saying who it is to being told connected",
    counts.joinSeconds,
  );
  seconds("resume_events", "Events that one who resumed had missed", counts.resumeEvents);
  table("events_published_total", "Events published by way of this replica", counts.published);
  seconds("publish_duration_seconds", "From a request to its confirmation", counts.publishSeconds);
  table("events_received_total", "Events that a room here was told", counts.received);
  const { deliveries } = counts;
  const delivered = new Counter({
    name: "inthon_deliveries_total",
    help: "Events told to one connection each",
    labelNames: ["protocol"],
    registers,
    collect() {
      delivered.reset();
      for (const protocol of PROTOCOLS) delivered.inc({ protocol }, deliveries[protocol]);
    },
  });
  counter("delivered_bytes_total", "Bytes of events told to connections", () => deliveries.bytes);
  seconds(
    "publish_to_socket_seconds",
    "From Redis publishing an event to the last write of its room, once for each room and turn",
    Object.entries(counts.publishToSocket).map(([event, source]) => [{ event }, source]),
    "event",
  );
  table(
    "gaps_total",
    "Holes in what a room was told, or in its history, by what became of them",
    counts.gaps,
  );
  seconds("history_read_seconds", "What reading a page of history took", counts.historyReadSeconds);
  gauge("rooms", "Role rooms that this replica holds", () => present.rooms().rooms);
  gauge("room_cached_events", "Events of them in memory", () => present.rooms().cachedEvents);
  const limits = new Counter({
    name: "inthon_limits_hit_total",
    help: "Refused or cut, by the code that the log has",
    labelNames: ["limit"],
    registers,
    collect() {
      limits.reset();
      for (const limit of REFUSAL_CODES) limits.inc({ limit }, refusals.totals.get(limit) ?? 0);
    },
  });
  counter(
    "slow_readers_closed_total",
    "Connections cut because they left too much unread",
    () => refusals.totals.get("slow_reader") ?? 0,
  );
  counter(
    "presence_changes_total",
    "Changes of presence that this replica announced",
    () => counts.presenceChanges,
  );
  counter(
    "sweeps_total",
    "Replicas that died, whose teachers this one took out",
    () => counts.sweeps,
  );
  counter("lease_lost_total", "How often all had to be claimed anew", () => counts.leasesLost);
  if (present.redis) {
    addRedisMetrics(registry, counts, present.redis);
    seconds("redis_ping_seconds", "What Redis took to answer a proof", counts.redisPingSeconds);
  }
  if (present.hasCanary) {
    table("canary_beats_total", "Whether the canary hears itself", counts.beats);
    seconds("canary_seconds", "From publishing to hearing, as a client", counts.beatSeconds);
  }
  gauge("draining", "1 while everybody is sent away", () => Number(present.isDraining()));
  const info = new Gauge({
    name: "inthon_build_info",
    help: "1, with what runs",
    labelNames: ["version", "nodejs"],
    registers,
  });
  info.set({ version, nodejs: process.version }, 1);
  collectProcessMetrics(registry);
  return registry;
}
