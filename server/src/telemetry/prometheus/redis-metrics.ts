import { Gauge, Counter, type Registry } from "prom-client";
import type { Counts } from "../counts.js";
import { REDIS_PURPOSES, type RedisPurpose } from "../labels.js";

/** A link to Redis, as it is now. */
export interface LinkState {
  readonly purpose: RedisPurpose;
  /** Which Redis of a cluster, by its address; '' where there is one alone. */
  readonly redis: string;
  readonly isUp: boolean;
}

/** How it is with Redis. */
export interface RedisStates {
  readonly links: readonly LinkState[];
  readonly sentinels: readonly { readonly sentinel: string; readonly isUp: boolean }[];
  /** Of a cluster. */
  readonly slots: { readonly missing: number; readonly open: number } | undefined;
}

/** Redis that have a label of their own: of a cluster's masters beyond them it is told together how they are. */
const MAX_NAMED = 100;
const OTHERS = "others";

/** What is told of Redis: read from its states at each scrape, and from what has been counted. */
export function addRedisMetrics(registry: Registry, counts: Counts, read: () => RedisStates): void {
  const registers = [registry];
  const up = new Gauge({
    name: "inthon_redis_up",
    help: "Whether a link to Redis works",
    labelNames: ["purpose", "redis"],
    registers,
    collect() {
      up.reset();
      for (const { purpose, redis, isUp } of named(read().links)) {
        up.set(labelsOf(purpose, redis), Number(isUp));
      }
    },
  });
  const reconnects = new Counter({
    name: "inthon_redis_reconnects_total",
    help: "Links to Redis that came back",
    labelNames: ["purpose", "redis"],
    registers,
    collect() {
      reconnects.reset();
      const links = named(read().links);
      for (const { purpose, redis } of links) reconnects.inc(labelsOf(purpose, redis), 0);
      // Each kind of link is there from the start.
      if (links.every(({ redis }) => redis === "")) {
        for (const purpose of REDIS_PURPOSES) reconnects.inc({ purpose }, 0);
      }
      for (const { labels, count } of counts.redisReconnects.rows()) {
        reconnects.inc(labelsOf(labels.purpose, labels.redis), count);
      }
    },
  });
  const states = read();
  if (states.sentinels.length > 0) {
    const sentinels = new Gauge({
      name: "inthon_sentinel_up",
      help: "Whether a Sentinel says where the primary is",
      labelNames: ["sentinel"],
      registers,
      collect() {
        for (const { sentinel, isUp } of read().sentinels.slice(0, MAX_NAMED)) {
          sentinels.set({ sentinel }, Number(isUp));
        }
      },
    });
  }
  if (states.slots) {
    const slots = new Gauge({
      name: "inthon_redis_slots",
      help: "Slots of the Redis Cluster whose rooms are refused: without a master, or left on their way",
      labelNames: ["state"],
      registers,
      collect() {
        const { missing = 0, open = 0 } = read().slots ?? {};
        slots.set({ state: "missing" }, missing);
        slots.set({ state: "open" }, open);
      },
    });
  }
}

function labelsOf(purpose: string, redis: string): Record<string, string> {
  return redis === "" ? { purpose } : { purpose, redis };
}

/** Of so many Redis by name, of the others together. */
function named(links: readonly LinkState[]): readonly LinkState[] {
  const names = new Set([...new Set(links.map(({ redis }) => redis))].slice(0, MAX_NAMED));
  const told = links.filter(({ redis }) => names.has(redis));
  const others = links.filter(({ redis }) => !names.has(redis));
  return [
    ...told,
    ...REDIS_PURPOSES.flatMap((purpose) => {
      const these = others.filter((link) => link.purpose === purpose);
      if (these.length === 0) return [];
      return [{ purpose, redis: OTHERS, isUp: these.every(({ isUp }) => isUp) }];
    }),
  ];
}
