import type { ClientOptions } from "../actors/client.js";
import { Random } from "../world/random.js";
import { faultsOf } from "./draw-faults.js";
import type { Happening, Plan } from "./happening.js";

const SESSIONS = ["a", "b"] as const;
const NAMES = ["question_intent", "question_capture", "new_question"] as const;

/** What a seed decides. */
export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const faultsEndAt = random.of([8_000, 20_000, 40_000]);
  const replicas = 1 + random.below(3);
  const publishers = 1 + random.below(2);
  const clients = Array.from({ length: 2 + random.below(5) }, (): ClientOptions => ({
    session: random.of(SESSIONS),
    role: random.chance(0.35) ? "teacher" : "student",
    protocol: random.chance(0.4) ? "plain" : "socket.io",
  }));
  const happenings = [
    ...lives(random, clients, faultsEndAt),
    ...emissions(random, publishers, faultsEndAt),
    ...faultsOf(random, { replicas, publishers, faultsEndAt }),
  ];
  return {
    seed,
    settings: {
      HISTORY_LIMIT: random.of(["1000", "1000", "20", "3"]),
      TEACHER_OFFLINE_GRACE_MS: random.of(["0", "0", "1500"]),
    },
    replicas,
    publishers,
    clients,
    happenings: happenings.sort((one, other) => one.at - other.at),
    faultsEndAt,
  };
}

function lives(random: Random, clients: readonly unknown[], until: number): Happening[] {
  return clients.flatMap((_, client) => {
    const happenings: Happening[] = [{ at: random.between(0, until / 2), kind: "join", client }];
    const count = random.below(7);
    for (let i = 0; i < count; i++) {
      const at = random.between(0, until);
      const kind = random.below(7);
      if (kind <= 1) happenings.push({ at, kind: "drop", client, isTold: random.chance(0.7) });
      else if (kind === 2) {
        happenings.push({ at, kind: "leave", client });
        happenings.push({ at: at + awayMs(random), kind: "join", client });
      } else if (kind === 3) {
        happenings.push({ at, kind: "stop reading", client });
        happenings.push({ at: at + random.longTailed(500), kind: "read on", client });
      } else if (kind === 4) {
        happenings.push({ at, kind: "end at once", client });
        happenings.push({ at: at + 1, kind: "drop", client, isTold: true });
      } else if (kind === 5) {
        const offset = random.of(["1-5", "1767603600000000-3", "9999999999999999-1", "7-0", "?"]);
        happenings.push({ at, kind: "come back from", client, offset });
        happenings.push({ at: at + 1, kind: "drop", client, isTold: true });
      }
    }
    // In the end everybody is there, and reads.
    happenings.push({ at: until, kind: "read on", client }, { at: until, kind: "join", client });
    return happenings;
  });
}

/** For a moment, or about as long as its room lingers without it. */
function awayMs(random: Random): number {
  return random.chance(0.5) ? random.longTailed(300) : random.between(4_800, 5_600);
}

function emissions(random: Random, publishers: number, until: number): Happening[] {
  const happenings: Happening[] = [];
  const count = random.of([5, 20, 60]);
  for (let i = 0; i < count; i++) {
    const hasKey = random.chance(0.2);
    const emit = {
      kind: "emit" as const,
      publisher: random.below(publishers),
      session: random.of(SESSIONS),
      name: random.of(NAMES),
      key: hasKey ? `key-${String(i)}` : undefined,
      id: i + 1,
      timeoutMs: random.of([500, 5_000, 15_000]),
    };
    const at = random.between(500, until);
    happenings.push({ ...emit, at });
    // What comes together shares a call.
    const more = random.chance(0.3) ? random.below(4) : 0;
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
