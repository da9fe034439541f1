import type { ClientOptions } from "../actors/client.js";
import { Random } from "../world/random.js";
import {
  brokenFarewells,
  evictions,
  faultsOf,
  lateReadings,
  refusals,
  reshards,
  type Scope,
  type Timed,
} from "./draw-faults.js";
import type { Happening, Plan, RedisPlan } from "./happening.js";

const SESSIONS = ["a", "b"] as const;
const NAMES = ["question_intent", "question_capture", "new_question"] as const;

/** What Redis is, in a word. */
export type Setting = RedisPlan["kind"];

const SETTINGS: readonly Setting[] = ["single", "sentinel", "cluster"];

/** @throws where there is no such */
export function settingOf(text: string): Setting {
  const setting = SETTINGS.find((one) => one === text);
  if (!setting) throw new Error(`there is no Redis that is called ${text}: ${SETTINGS.join(", ")}`);
  return setting;
}

function redisOf(random: Random, given: Setting | undefined): RedisPlan {
  const drawn = random.of([
    "single",
    "single",
    "single",
    "sentinel",
    "cluster",
    "cluster",
  ] as const);
  const kind = given ?? drawn;
  const replicaLagMs = random.chance(0.2) ? random.of([1, 30]) : undefined;
  const [masters, needsAll] = [2 + random.below(2), random.chance(0.5)];
  if (kind !== "cluster") return { kind, replicaLagMs };
  return { kind, replicaLagMs, masters, needsAll };
}

/** What most of a world is about. */
type Theme =
  /** A little of what there is. */
  | "anything"
  /** History has several pages, and those who read them are late. */
  | "pages"
  /** Rooms are let go, and held again at that moment. */
  | "revolving door"
  /** Redis evicts keys of one kind, and what was published comes again. */
  | "eviction"
  /** Much is published while those come back who have missed much. */
  | "catching up"
  /** Redis refuses what connections need that have just been made anew. */
  | "refused";

const THEMES: readonly Theme[] = [
  ...new Array<Theme>(12).fill("anything"),
  "refused",
  "pages",
  "pages",
  "revolving door",
  "revolving door",
  "eviction",
  "eviction",
  "catching up",
  "catching up",
  "refused",
];

/** What makes a world unlike others: it is drawn once for all that happens in it. */
interface Temper {
  readonly theme: Theme;
  readonly sessions: readonly string[];
  readonly until: number;
  /** Draws a time: at random, or near one of the few at which much happens. */
  readonly when: () => number;
}

function temperOf(random: Random): Temper {
  const theme = random.of(THEMES);
  const until = theme === "revolving door" ? 20_000 : random.of([3_000, 8_000, 8_000, 20_000]);
  const hot = Array.from({ length: 1 + random.below(3) }, () => random.between(1_000, until));
  const isHot = theme === "pages" || theme === "refused";
  const heat = isHot ? 0.9 : random.of([0, 0.5, 0.9]);
  const nearMs = isHot ? (theme === "pages" ? 50 : 500) : random.of([2, 50, 500]);
  const isNarrow = theme !== "anything" || random.chance(0.6);
  return {
    theme,
    sessions: isNarrow ? SESSIONS.slice(0, 1) : SESSIONS,
    until,
    when: () => {
      if (!random.chance(heat)) return random.between(200, until);
      return Math.min(until, random.of(hot) + random.longTailed(nearMs));
    },
  };
}

/** What a seed decides. */
export function planOf(seed: number, setting?: Setting): Plan {
  const random = new Random(seed);
  const temper = temperOf(random);
  const { theme } = temper;
  const redis = redisOf(random, setting);
  const replicas = theme === "pages" ? 2 + random.below(2) : 1 + random.below(3);
  const publishers = 1 + random.below(2);
  const teachers = random.of([0.2, 0.4, 0.7]);
  const clients = Array.from({ length: 1 + random.below(4) }, (): ClientOptions => ({
    session: random.of(temper.sessions),
    role: random.chance(teachers) ? "teacher" : "student",
    protocol: random.chance(0.4) ? "plain" : "socket.io",
    isLoyal: random.chance(theme === "revolving door" ? 0.8 : 0.3),
    maxUnread: random.of(theme === "catching up" ? [1, 1, 2] : [1, 2, 8]),
  }));
  const happenings = [
    ...lives(random, clients, temper),
    ...emissions(random, publishers, temper),
    ...troubles(random, { replicas, publishers, isCluster: redis.kind === "cluster" }, temper).map(
      ({ at, fault }): Happening => ({
        at,
        kind: "fault",
        fault,
      }),
    ),
  ];
  const [kept, known] = historyLimits(random, theme);
  return {
    seed,
    redis,
    publishersKeep: kept,
    settings: {
      HISTORY_LIMIT: String(known),
      TEACHER_OFFLINE_GRACE_MS: random.of(["0", "0", "1500"]),
    },
    replicas,
    publishers,
    clients,
    happenings: happenings.sort((one, other) => one.at - other.at),
    faultsEndAt: temper.until,
    isWatchedOn: random.chance(0.12),
  };
}

/** How many events of a history publishers keep, and replicas. */
function historyLimits(random: Random, theme: Theme): readonly [kept: number, known: number] {
  if (theme === "catching up") return [1_000, 1_000];
  const kept = theme === "pages" ? 40 : random.of([1_000, 1_000, 20, 3]);
  return [kept, random.chance(theme === "pages" ? 0.7 : 0.1) ? 1_000 : kept];
}

function troubles(random: Random, scope: Scope, { theme, when }: Temper): readonly Timed[] {
  switch (theme) {
    case "anything":
    case "catching up":
      return scope.isCluster && random.chance(0.4)
        ? reshards(random, scope, when)
        : faultsOf(random, scope, when);
    case "pages":
      return lateReadings(random, scope, when);
    case "refused":
      return refusals(random, when);
    case "revolving door":
      return brokenFarewells(random, when);
    case "eviction":
      return evictions(random, when);
  }
}

type Deed = (at: number, client: number, random: Random) => Happening[];

const dropped: Deed = (at, client, random) => [
  { at, kind: "drop", client, isTold: random.chance(0.7) },
];

/** What clients do, each in worlds of its own. */
const DEEDS: readonly Deed[] = [
  dropped,
  (at, client, random) => [
    { at, kind: "leave", client },
    { at: at + awayMs(random), kind: "join", client },
  ],
  (at, client, random) => [
    { at, kind: "stop reading", client },
    { at: at + random.longTailed(500), kind: "read on", client },
  ],
  (at, client) => [
    { at, kind: "end at once", client },
    { at: at + 1, kind: "drop", client, isTold: true },
  ],
  (at, client, random) => [
    { at, kind: "hurry", client, ms: random.longTailed(random.of([0.3, 1, 3, 30])) },
    { at: at + 0.1, kind: "drop", client, isTold: true },
  ],
  (at, client, random) => {
    const offset = random.of(["1-5", "1767603600000000-3", "9999999999999999-1", "7-0", "?"]);
    return [
      { at, kind: "come back from", client, offset },
      { at: at + 1, kind: "drop", client, isTold: true },
    ];
  },
];

/** What they do where a room is let go whenever the last one has left. */
const AT_THE_DOOR: readonly Deed[] = [
  (at, client, random) => [
    {
      at,
      kind: "return",
      client,
      on: random.chance(0.8) ? "UNSUBSCRIBE" : "SUBSCRIBE",
      afterMs: random.longTailed(random.of([1, 100, 300])),
    },
  ],
];

function deedsOf(random: Random, theme: Theme): readonly Deed[] {
  const some = DEEDS.filter(() => random.chance(0.4));
  switch (theme) {
    case "revolving door":
      return AT_THE_DOOR;
    case "pages":
      return [dropped];
    case "catching up":
      return [dropped, ...some];
    case "anything":
    case "eviction":
    case "refused":
      return some;
  }
}

function lives(random: Random, clients: readonly unknown[], temper: Temper): Happening[] {
  const { theme, until, when } = temper;
  const deeds = deedsOf(random, theme);
  const rate = theme === "revolving door" ? 4 : random.of([2, 7, 14]);
  return clients.flatMap((_, client) => {
    const happenings: Happening[] = [{ at: random.between(0, until / 2), kind: "join", client }];
    const count = deeds.length === 0 ? 0 : random.below(rate);
    for (let i = 0; i < count; i++) happenings.push(...random.of(deeds)(when(), client, random));
    // In the end everybody is there, and reads: who is away by then comes when it was to come.
    const end = Math.max(until, ...happenings.map(({ at }) => at));
    happenings.push({ at: end, kind: "read on", client }, { at: end, kind: "join", client });
    return happenings;
  });
}

/** For a moment, or about as long as its room lingers without it. */
function awayMs(random: Random): number {
  return random.chance(0.5) ? random.longTailed(300) : random.between(4_900, 6_300);
}

/** How many happen together, in the worlds of each theme. */
function together(random: Random, theme: Theme): number {
  switch (theme) {
    case "pages":
      return 15 + random.below(20);
    case "catching up":
      return random.below(40);
    case "anything":
    case "eviction":
    case "refused":
    case "revolving door":
      return random.chance(0.3) ? random.below(4) : 0;
  }
}

function emissions(
  random: Random,
  publishers: number,
  { sessions, theme, when }: Temper,
): Happening[] {
  const happenings: Happening[] = [];
  const isLong = theme === "pages";
  const count = random.of(isLong ? [4, 8] : [5, 15, 40]);
  const keyed = theme === "eviction" ? 0.7 : random.of([0, 0.3]);
  for (let i = 0; i < count; i++) {
    const hasKey = random.chance(keyed);
    const emit = {
      kind: "emit" as const,
      publisher: random.below(publishers),
      session: random.of(sessions),
      name: isLong ? "new_question" : random.of(NAMES),
      key: hasKey ? `key-${String(i)}` : undefined,
      id: i + 1,
      isLong,
      timeoutMs: random.of([500, 5_000, 15_000]),
      // What is published between two pages of a reading.
      on: isLong && random.chance(0.25) ? ("read" as const) : undefined,
    };
    const at = when();
    happenings.push({ ...emit, at });
    // What comes together shares a call.
    const more = together(random, theme);
    for (let j = 1; j <= more; j++) {
      happenings.push({ ...emit, at, id: 1_000 * j + emit.id, key: undefined });
    }
    if (hasKey)
      happenings.push({
        ...emit,
        at: at + random.longTailed(400),
        publisher: random.below(publishers),
      });
  }
  return happenings;
}
