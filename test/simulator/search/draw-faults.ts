import type { Random } from "../world/random.js";
import type { Consequence, Fault, Trap } from "./fault.js";

type FaultKind = Fault["kind"];

export interface Scope {
  readonly replicas: number;
  readonly publishers: number;
  readonly isCluster: boolean;
}

/** The longest that anything is so, in milliseconds: after the faults all of it is over. */
const MAX_MS = 30_000;

function briefly(random: Random, usualMs: number): number {
  return Math.min(MAX_MS, random.longTailed(usualMs));
}

/** Of a cluster: which one that is depends on how many there are. */
const shardOf = (random: Random) => random.below(12);

const backAfterMs = (random: Random) => briefly(random, random.of([50, 500]));

/** How each kind of fault is drawn. */
const DRAW: Readonly<Record<FaultKind, (random: Random, scope: Scope) => Fault>> = {
  "kill replica": (random, { replicas }) => ({
    kind: "kill replica",
    replica: random.below(replicas),
    backAfterMs: backAfterMs(random),
  }),
  "drain replica": (random, { replicas }) => ({
    kind: "drain replica",
    replica: random.below(replicas),
    backAfterMs: briefly(random, 2_000),
  }),
  "freeze replica": (random, { replicas }) => ({
    kind: "freeze replica",
    replica: random.below(replicas),
    ms: random.of([200, 3_000, 12_000, 25_000]) * random.between(0.5, 1.5),
  }),
  "kill publisher": (random, { publishers }) => ({
    kind: "kill publisher",
    publisher: random.below(publishers),
    backAfterMs: briefly(random, 300),
  }),
  "freeze publisher": (random, { publishers }) => ({
    kind: "freeze publisher",
    publisher: random.below(publishers),
    ms: briefly(random, 500),
  }),
  "step clock": (random, { replicas }) => ({
    kind: "step clock",
    replica: random.below(replicas),
    ms: random.of([-3_600_000, -5_000, 5_000, 3_600_000]),
  }),
  "step Redis's clock": (random) => ({
    kind: "step Redis's clock",
    shard: shardOf(random),
    ms: random.of([-60_000, -3_000, -50, 3_000]),
  }),
  drift: (random, { replicas }) => ({
    kind: "drift",
    replica: random.below(replicas),
    rate: random.between(0.98, 1.02),
  }),
  "restart Redis": (random) => ({
    kind: "restart Redis",
    shard: shardOf(random),
    lostMs: random.of([0, 500, 1_000, 4_000, Infinity]),
    downMs: random.of([5, 300, 3_000, 12_000]),
    loadingMs: random.of([0, 0, 500]),
  }),
  "fail over": (random) => ({
    kind: "fail over",
    shard: shardOf(random),
    lostMs: random.of([0, 0, 500, 3_000]),
    splitMs: random.of([0, 1_000, 3_000]),
    isOldGone: random.chance(0.4),
  }),
  "freeze Redis": (random) => ({
    kind: "freeze Redis",
    shard: shardOf(random),
    ms: random.of([300, 2_000, 7_000, 14_000]) * random.between(0.5, 1.5),
  }),
  evict: (random) => ({
    kind: "evict",
    shard: shardOf(random),
    count: 1 + random.below(4),
    of: random.chance(0.5) ? "" : random.of(EVICTED),
  }),
  "fill Redis": (random) => ({
    kind: "fill Redis",
    shard: shardOf(random),
    ms: briefly(random, 1_500),
  }),
  deny: (random) => ({
    kind: "deny",
    shard: shardOf(random),
    command: random.of(DENIED),
    ms: briefly(random, 1_000),
  }),
  "flush scripts": (random) => ({ kind: "flush scripts", shard: shardOf(random) }),
  cut: (random) => ({
    kind: "cut",
    link: random.below(100),
    part: random.fraction(),
    isTold: random.chance(0.6),
  }),
  hang: (random) => ({
    kind: "hang",
    link: random.below(100),
    direction: random.of(["to Redis", "from Redis", "both"]),
    ms: random.of([400, 3_000, 9_000]) * random.between(0.5, 1.5),
  }),
  slow: (random) => ({
    kind: "slow",
    usualMs: random.of([5, 50, 300]),
    ms: briefly(random, random.of([1_500, 6_000])),
  }),
  silence: (random) => ({
    kind: "silence",
    shard: shardOf(random),
    ms: briefly(random, 2_000),
  }),
  "move slots": (random) => ({
    kind: "move slots",
    shard: shardOf(random),
    to: random.chance(0.3) ? "new" : shardOf(random),
    pauseMs: random.of([0.5, 10, 200]),
    isRemoved: random.chance(0.3),
  }),
  swallow: (random) => ({
    kind: "swallow",
    link: random.below(100),
    ms: briefly(random, random.of([100, 1_000])),
  }),
  trap: (random, scope) => trap(random, scope),
};

/** Keys of one kind gone, and others of their room not. */
const EVICTED = [
  "history:",
  "inthon:epochs:",
  "inthon:epochs:",
  "inthon:once:",
  "inthon:new:",
  "inthon:announced:",
  "inthon:heavy:",
  "session:",
  "inthon:nodes",
] as const;

const DENIED = [
  "PUBLISH",
  "PUBLISH",
  "PUBLISH",
  "XADD",
  "XDEL",
  "APPEND",
  "SUBSCRIBE",
  "UNSUBSCRIBE",
  "SADD",
  "SREM",
  "ZADD",
  "SET",
  "EVALSHA",
  "GETRANGE",
  "INFO",
] as const;

/** What may follow from a trap, of faults that befall all. */
const WIDE = [
  "restart Redis",
  "fail over",
  "evict",
  "flush scripts",
  "slow",
  "deny",
  "fill Redis",
] as const satisfies readonly FaultKind[];

function consequence(random: Random, scope: Scope): Consequence {
  switch (random.below(7)) {
    case 0:
    case 1:
      return { kind: "cut it", part: random.fraction(), isTold: random.chance(0.6) };
    case 2:
      return { kind: "hang it", ms: random.of([20, 400, 9_000]) * random.between(0.5, 1.5) };
    case 3:
      return { kind: "refuse it" };
    case 4:
      return { kind: "kill it", backAfterMs: backAfterMs(random) };
    case 5:
      return { kind: "freeze it", ms: random.of([20, 1_000, 12_000]) * random.between(0.5, 1.5) };
    default:
      return DRAW[random.of(WIDE)](random, scope) as Consequence;
  }
}

function trap(random: Random, scope: Scope): Trap {
  return {
    kind: "trap",
    on: random.of([
      "SUBSCRIBE",
      "UNSUBSCRIBE",
      "UNSUBSCRIBE",
      "publish",
      "publish",
      "read",
      "presence",
      "renewal",
      "proof",
    ]),
    skip: random.below(random.of([1, 3])),
    isAfter: random.chance(0.5),
    ms: random.of([500, 6_000, 6_000]),
    then: consequence(random, scope),
  };
}

/** Of which some let Redis forget something. */
const FORGETTING: ReadonlySet<FaultKind> = new Set([
  "restart Redis",
  "fail over",
  "evict",
  "trap",
] as const);

const KINDS = Object.keys(DRAW) as readonly FaultKind[];

/**
 * A few kinds of faults, each by a rate of its own, so that each world is hard in its own way: where all kinds are a little
 * in each, most of them hide what one alone would show.
 *
 * @param when - draws a time
 */
export function faultsOf(random: Random, scope: Scope, when: () => number): readonly Timed[] {
  const share = random.of([0, 0.05, 0.1, 0.2]);
  let kinds = KINDS.filter((kind) => random.chance(chanceOf(kind, share, scope)));
  if (share > 0 && kinds.length === 0) {
    kinds.push(random.of(KINDS.filter((kind) => chanceOf(kind, share, scope) > 0)));
  }
  if (share === 0 && random.chance(0.4)) kinds = ["swallow"];
  // Of what was lost without a trace, and then forgotten, nobody can know.
  if (kinds.includes("swallow")) kinds = kinds.filter((kind) => !FORGETTING.has(kind));
  return kinds.flatMap((kind) => {
    const count = 1 + random.below(random.of([1, 2, 5]));
    return Array.from({ length: count }, () => ({ at: when(), fault: DRAW[kind](random, scope) }));
  });
}

function chanceOf(kind: FaultKind, share: number, { isCluster }: Scope): number {
  if (kind === "trap") return 0.5;
  if (kind === "move slots") return isCluster ? 2 * share : 0;
  return share;
}

/** Slots that move while much else happens, and masters that come and go. */
export function reshards(random: Random, scope: Scope, when: () => number): readonly Timed[] {
  const moves = Array.from({ length: 1 + random.below(4) }, () => ({
    at: when(),
    fault: DRAW["move slots"](random, scope),
  }));
  const kind = random.of(["fail over", "cut", "trap", "hang", "restart Redis"] as const);
  const others = Array.from({ length: random.below(3) }, () => ({
    at: when(),
    fault: DRAW[kind](random, scope),
  }));
  return [...moves, ...others];
}

/** Keys that Redis evicts again and again, of one kind. */
export function evictions(random: Random, when: () => number): readonly Timed[] {
  const of = random.of(EVICTED);
  return Array.from({ length: 2 + random.below(8) }, () => ({
    at: when(),
    fault: { kind: "evict", shard: shardOf(random), count: 1 + random.below(2), of },
  }));
}

/** Commands that are denied for a while, and connections that are made anew meanwhile. */
export function refusals(random: Random, when: () => number): readonly Timed[] {
  return Array.from({ length: 1 + random.below(3) }, (): Timed[] => {
    const at = when();
    const command = random.of(["SUBSCRIBE", "SUBSCRIBE", "SUBSCRIBE", "SSUBSCRIBE", "EVALSHA"]);
    const ms = random.between(300, 2_500);
    const denied = Array.from({ length: 3 }, (_, shard) => ({
      at,
      fault: { kind: "deny" as const, shard, command, ms },
    }));
    const cuts = Array.from({ length: 2 + random.below(6) }, () => ({
      at: at + random.fraction() * ms,
      fault: {
        kind: "cut" as const,
        link: random.below(100),
        part: random.fraction(),
        isTold: true,
      },
    }));
    return [...denied, ...cuts];
  }).flat();
}

/** What goes wrong where a room is let go. */
export function brokenFarewells(random: Random, when: () => number): readonly Timed[] {
  return Array.from({ length: 2 + random.below(4) }, () => {
    const then: Consequence = random.chance(0.4)
      ? { kind: "refuse it" }
      : random.chance(0.4)
        ? { kind: "cut it", part: random.fraction(), isTold: random.chance(0.6) }
        : { kind: "hang it", ms: random.of([20, 400, 3_000]) * random.between(0.5, 1.5) };
    const on = random.chance(0.8) ? ("UNSUBSCRIBE" as const) : ("SUBSCRIBE" as const);
    const isAfter = random.chance(0.3);
    return { at: when(), fault: { kind: "trap", on, skip: 0, isAfter, ms: 6_000, then } };
  });
}

/** Readings whose answers are late: what they read changes meanwhile. And replicas that know nothing of before. */
export function lateReadings(random: Random, scope: Scope, when: () => number): readonly Timed[] {
  const late = Array.from({ length: 10 }, () => {
    const then = { kind: "hang it" as const, ms: random.between(20, 600) };
    const skip = random.below(2);
    const fault = { kind: "trap", on: "read", skip, isAfter: true, ms: 3_000, then } as const;
    return { at: when(), fault };
  });
  const killed = Array.from({ length: random.below(3) }, () => ({
    at: when(),
    fault: DRAW["kill replica"](random, scope),
  }));
  return [...late, ...killed];
}

export interface Timed {
  readonly at: number;
  readonly fault: Fault;
}
