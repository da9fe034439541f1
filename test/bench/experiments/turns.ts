import type { Lab } from "../lab.js";
import { System, type SystemOptions } from "../system.js";

/** What is done with several systems that stay for all rounds. `name` is what the row calls the system. */
export interface Steps {
  /** Before the first round. */
  readonly prepare: (system: System, name: string) => Promise<void>;
  /** For each system in each round; round 0 warms up, and counts for nothing but faults. */
  readonly measure: (system: System, name: string, round: number) => Promise<void>;
  /** After the last round. */
  readonly finish?: (system: System, name: string) => Promise<void>;
}

/** Opens the systems, has them take turns, and stops them whatever happens. */
export async function inTurn(
  lab: Lab,
  wanted: Readonly<Record<string, SystemOptions>>,
  { prepare, measure, finish }: Steps,
): Promise<void> {
  const opened = await Promise.allSettled(
    Object.entries(wanted).map(async ([name, options]) => {
      return [name, await System.open(lab, options)] as const;
    }),
  );
  // In the order asked for, whichever was there first.
  const systems = new Map(opened.flatMap((o) => (o.status === "fulfilled" ? [o.value] : [])));
  try {
    for (const outcome of opened) if (outcome.status === "rejected") throw outcome.reason;
    for (const [name, system] of systems) await prepare(system, name);
    for (let round = 0; round <= lab.options.rounds; round++) {
      for (const [name, system] of systems) await measure(system, name, round);
    }
    for (const [name, system] of systems) await finish?.(system, name);
  } finally {
    await Promise.all([...systems.values()].map((system) => system.stop()));
  }
}

/** What the rows on metrics compare. */
export const WITH_AND_WITHOUT_METRICS = {
  without: { dialect: "ours" },
  "with metrics": { dialect: "ours", scraped: true },
} as const satisfies Readonly<Record<string, SystemOptions>>;

/** What most rows compare. */
export function stockAndOurs(options: Omit<SystemOptions, "dialect"> = {}) {
  return {
    stock: { ...options, dialect: "stock" },
    ours: { ...options, dialect: "ours" },
  } as const;
}
