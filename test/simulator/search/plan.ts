import type { ClientOptions } from "../actors/client.js";
import { Random } from "../world/random.js";
import { faultsOf, lateReadings } from "./draw-faults.js";
import type { Happening, Plan } from "./happening.js";

const SESSIONS = ["a", "b"] as const;
const NAMES = ["question_intent", "question_capture", "new_question"] as const;

/** What makes a world unlike others: it is drawn once for all that happens in it. */
interface Temper {
  readonly sessions: readonly string[];
  readonly until: number;
  /** Whether what is published is as long as it may be. */
  readonly isLong: boolean;
  /** Draws a time: at random, or near one of the few at which much happens. */
  readonly when: () => number;
}

function temperOf(random: Random): Temper {
  const until = random.of([3_000, 8_000, 8_000, 20_000]);
  const hot = Array.from({ length: 1 + random.below(3) }, () => random.between(1_000, until));
  const isLong = random.chance(0.06);
  const heat = isLong ? 0.9 : random.of([0, 0.5, 0.9]);
  const nearMs = isLong ? 50 : random.of([2, 50, 500]);
  return {
    sessions: random.chance(0.6) ? SESSIONS.slice(0, 1) : SESSIONS,
    until,
    isLong,
    when: () => {
      if (!random.chance(heat)) return random.between(200, until);
      return Math.min(until, random.of(hot) + random.longTailed(nearMs));
    },
  };
}

/** What a seed decides. */
export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const temper = temperOf(random);
  const replicas = 1 + random.below(3);
  const publishers = 1 + random.below(2);
  const teachers = random.of([0.2, 0.4, 0.7]);
  const clients = Array.from({ length: 1 + random.below(4) }, (): ClientOptions => ({
    session: random.of(temper.sessions),
    role: random.chance(teachers) ? "teacher" : "student",
    protocol: random.chance(0.4) ? "plain" : "socket.io",
  }));
  const happenings = [
    ...lives(random, clients, temper),
    ...emissions(random, publishers, temper),
    ...(temper.isLong
      ? lateReadings(random, temper.when)
      : faultsOf(random, { replicas, publishers }, temper.when)
    ).map(({ at, fault }): Happening => ({ at, kind: "fault", fault })),
  ];
  return {
    seed,
    settings: {
      HISTORY_LIMIT: temper.isLong ? "40" : random.of(["1000", "1000", "20", "3"]),
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

type Deed = (at: number, client: number, random: Random) => Happening[];

/** What clients do, each in worlds of its own. */
const DEEDS: readonly Deed[] = [
  (at, client, random) => [{ at, kind: "drop", client, isTold: random.chance(0.7) }],
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

function lives(random: Random, clients: readonly unknown[], temper: Temper): Happening[] {
  const { until, when } = temper;
  const deeds = DEEDS.filter(() => random.chance(0.4));
  const rate = random.of([2, 7, 14]);
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

function emissions(
  random: Random,
  publishers: number,
  { sessions, isLong, when }: Temper,
): Happening[] {
  const happenings: Happening[] = [];
  const count = random.of(isLong ? [4, 8] : [5, 15, 40]);
  const keyed = random.of([0, 0.3]);
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
    };
    const at = when();
    happenings.push({ ...emit, at });
    // What comes together shares a call.
    const more = isLong ? 10 + random.below(20) : random.chance(0.3) ? random.below(4) : 0;
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
