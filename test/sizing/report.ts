import { OTHERS, type Figure, type Figures } from "./figures.js";
import type { Sizing } from "./model.js";

/** Two digits are as much as any of this is worth. */
export function rounded(value: number): string {
  if (!Number.isFinite(value)) return "no number";
  return Number(value.toPrecision(2)).toLocaleString("en-US", { maximumFractionDigits: 4 });
}

function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  return `${rounded(value / 1_000 ** step)} ${units[step] ?? ""}`;
}

function exactly(value: number): string {
  return value.toLocaleString("en-US");
}

/** Which need, or which master, is the greatest: what comes first as all of it grows. */
export function firstOf<Name extends string>(shares: Readonly<Record<Name, number>>): Name {
  const names = Object.keys(shares) as Name[];
  return names.reduce((a, b) => (shares[b] > shares[a] ? b : a));
}

const REPLICAS_BY = {
  connections: "connections",
  cpu: "CPU",
  memory: "memory for rooms' events",
  zones: "zones",
} as const;
const REDIS_BY = { cpu: "CPU", memory: "memory for histories", clients: "connections" } as const;

/** Masters that it takes. */
export function mastersOf({ masters }: Sizing): number {
  return Math.ceil(Math.max(...Object.values(masters)));
}

/** One row of the README's table. */
export function toRow(sizing: Sizing): string {
  const { demand, load, needs, redis } = sizing;
  const cells = [
    exactly(demand.connections),
    exactly(demand.sessions),
    exactly(demand.events),
    rounded(load.replicas),
    REPLICAS_BY[firstOf(needs)],
    exactly(mastersOf(sizing)),
    REDIS_BY[firstOf(sizing.masters)],
    bytes(redis.historyBytes),
    rounded(redis.clients),
    rounded(load.subscriptions),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** Everything: each number, its formula, and what it rests on. */
export function toReport(sizing: Sizing, figures: Figures): string {
  const { demand, students, eventsInHistory, load, needs, redis, masters } = sizing;
  const lines: (readonly [what: string, value: string, how: string])[] = [
    ["students of a session", rounded(students), "connections / sessions - 1 (its teacher)"],
    [
      "events in a history",
      rounded(eventsInHistory),
      "events / sessions * lecture, HISTORY_LIMIT at most",
    ],
    ["deliveries in a second", rounded(load.deliveriesPerS), "events * students"],
    ["", "", ""],
    ["replicas", rounded(load.replicas), "the greatest of these:"],
    ["  by connections", rounded(needs.connections), "connections / connections each"],
    [
      "  by CPU",
      rounded(needs.cpu),
      "least R: (events * holders * event + deliveries * delivery) / R <= share",
    ],
    [
      "  by memory",
      rounded(needs.memory),
      "least R: base + (connections * connection + sessions * holders * events in a history * cached event) / R <= share",
    ],
    ["  by zones", rounded(needs.zones), "one each"],
    ["connections of one", rounded(demand.connections / load.replicas), "connections / R"],
    ["CPU of one", `${rounded(load.cores * 100)} % of a core`, "as above"],
    ["heap of one", bytes(load.heapBytes), `as above, of ${bytes(demand.memoryBytes)} in all`],
    [
      "when a third is lost",
      `${rounded(((demand.connections / load.replicas / 2) * figures.connectUs.value) / 1e6)} s of a core`,
      "connections of one / 2 * connect: what each of the others has to do for those who come back",
    ],
    ["holders of a room", rounded(load.holders), "A * (1 - (1 - 1/A)^students), A = R or --spread"],
    ...(demand.hasCanaries ? [canariesOf(sizing)] : []),
    ["comes first", REPLICAS_BY[firstOf(needs)], "the greatest of the four"],
    ["", "", ""],
    ["Redis masters", exactly(mastersOf(sizing)), "the greatest of these, rounded up:"],
    ["  by CPU", rounded(masters.cpu), "(publishing + copies + reads) / share"],
    ["    publishing", `${rounded(redis.publishCores)} cores`, "events * publish"],
    [
      "    copies",
      `${rounded(redis.copyCores)} cores`,
      "events * (holders - 3) * copy; a ninth of it where Redis is so busy that copies share writes",
    ],
    [
      "    reads",
      `${rounded(redis.readCores)} cores`,
      "(sessions * holders * 3 / lease + sessions * 2 / (0.4 * lease)) * read: presence, looked up anew",
    ],
    ["  by memory", rounded(masters.memory), "(histories + subscriptions) / memory of one"],
    [
      "    histories",
      bytes(redis.historyBytes),
      "sessions * (1 + HISTORY_TTL_S / lecture) * events in a history * stored event",
    ],
    ["    subscriptions", bytes(redis.subscriptionBytes), "subscriptions * subscription"],
    ["  by connections", rounded(masters.clients), "connections to it / maxclients"],
    [
      "connections to it",
      rounded(redis.clients),
      demand.waitsForReplicas
        ? "3 R, as waiting for replicas has one of its own, and two for each emitter"
        : "2 R, and one for each emitter",
    ],
    ["subscriptions", rounded(load.subscriptions), "sessions * (holders + 1)"],
    ["comes first", REDIS_BY[firstOf(masters)], "the greatest of the three"],
  ];
  const widths = [0, 1].map((i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const table = lines.map(([what, value, how]) =>
    `${what.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)}  ${how}`.trimEnd(),
  );
  return [
    `${exactly(demand.connections)} connections, ${exactly(demand.sessions)} sessions of ${exactly(demand.lectureMinutes)} minutes, ${exactly(demand.events)} events in a second`,
    "",
    ...table,
    "",
    ...adviceOn(sizing),
    "What it is made of. Only the first are measured by npm run bench; all else extrapolates from few clients on one machine, in",
    "a straight line, and no cluster of this size was run. Signs of life, which every connection gives in turn, are left out.",
    ...basisOf(figures),
  ].join("\n");
}

function canariesOf({ load }: Sizing): readonly [what: string, value: string, how: string] {
  return [
    "sessions of canaries",
    rounded(load.canaries),
    `R: each with a student, a history of HISTORY_LIMIT and an event every beat, ${rounded(load.beatsPerS)} in a second, which are in all numbers here`,
  ];
}

function adviceOn(sizing: Sizing): string[] {
  const { demand, needs, masters } = sizing;
  const lines: string[] = [];
  if (firstOf(needs) === "memory") {
    lines.push(
      "Replicas keep the events of each room that they hold. Fewer or smaller ones are enough with a smaller HISTORY_LIMIT, with",
      "more memory each (--memory), or where the balancer sends a session to few replicas (hashed by path: --spread).",
      "",
    );
  }
  if (firstOf(masters) === "memory" && masters.memory > 1) {
    lines.push(
      `Histories outlive their lectures by ${rounded(demand.historyTtlS / 3_600)} hours: a smaller HISTORY_TTL_S or HISTORY_LIMIT takes less of Redis.`,
      "",
    );
  }
  if (mastersOf(sizing) > 1) {
    lines.push(
      "This version speaks to one Redis master. More of them means as many clusters, each with sessions of its own.",
      "",
    );
  }
  return lines;
}

function basisOf(figures: Figures): string[] {
  const names: readonly (readonly [string, Figure, string])[] = [
    ["delivery", figures.deliveryUs, "µs"],
    ["event", figures.eventUs, "µs"],
    ["connection", figures.connectionBytes, "B"],
    ["connect", figures.connectUs, "µs"],
    ["publish", figures.publishUs, "µs"],
    ["copy", OTHERS.copyUs, "µs"],
    ["read", OTHERS.readUs, "µs"],
    ["subscription", OTHERS.subscriptionBytes, "B"],
    ["stored event", OTHERS.storedBytes, "B"],
    ["cached event", OTHERS.cachedBytes, "B"],
    ["base", OTHERS.baseBytes, "B"],
    ["maxclients", OTHERS.redisClients, ""],
    ["lease", OTHERS.leaseS, "s"],
    ["beat", OTHERS.beatS, "s"],
    ["connections each", OTHERS.connectionsEach, ""],
    ["share of a core", OTHERS.coreShare, ""],
    ["share of memory", OTHERS.heapShare, ""],
    ["share of Redis's core", OTHERS.redisShare, ""],
    ["memory of one Redis", OTHERS.redisBytes, "B"],
  ];
  return names.map(
    ([name, { value, basis, source }, unit]) =>
      `  ${name.padEnd(22)}${`${rounded(value)} ${unit}`.trim().padStart(18)}  ${basis.padEnd(9)} ${source}`,
  );
}
