import type { Settings } from "../actors/replica.js";
import type { ClientOptions } from "../actors/client.js";
import { Random } from "../world/random.js";
import { durationOf, faultsOf, type Fault } from "./faults.js";

/** Something that happens in a world, told as what it is: so a plan can be printed, and made smaller. */
export type Happening = { readonly at: number } & (
  | {
      readonly kind: "emit";
      readonly publisher: number;
      readonly session: string;
      readonly name: "question_intent" | "question_capture" | "new_question";
      /** Of somebody else's emission too: a repetition. */
      readonly key: string | undefined;
      readonly id: number;
      /** How many events one call has. */
      readonly timeoutMs: number;
    }
  | {
      readonly kind: "join" | "leave" | "stop reading" | "read on" | "end at once";
      readonly client: number;
    }
  | { readonly kind: "drop"; readonly client: number; readonly isTold: boolean }
  | { readonly kind: "come back from"; readonly client: number; readonly offset: string }
  | ({ readonly kind: "fault" } & { readonly fault: Fault })
);

/** All that is decided before a world begins. */
export interface Plan {
  readonly seed: number;
  readonly settings: Settings;
  readonly replicas: number;
  readonly publishers: number;
  readonly clients: readonly ClientOptions[];
  readonly happenings: readonly Happening[];
  /** From then on nothing goes wrong any more, in milliseconds; what has gone wrong may last until {@link calmAt}. */
  readonly faultsEndAt: number;
}

/** When the last fault is over. */
export function calmAt({ faultsEndAt, happenings }: Plan): number {
  const ends = happenings.map((one) => (one.kind === "fault" ? one.at + durationOf(one.fault) : 0));
  return Math.max(faultsEndAt, ...ends);
}

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
        happenings.push({ at: at + random.longTailed(300), kind: "join", client });
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
