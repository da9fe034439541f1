import { parseArgs } from "node:util";
import { OptionError } from "../../chaos/options.js";
import { ATTACKS, type Attack } from "./attacks.js";
import { runAttack, type HostileOptions, type Outcome } from "./run.js";

/** What a neighbour may cost the others: the 99th percentile of their latency, beside that of a quiet time of the same run. */
const MAX_RATIO = 3;
/** Below this a ratio says more of the machine than of the replica. */
const NOISE_MS = 5;
/** What a replica may grow by, and call it flat. */
const MAX_GROWTH_MIB = 128;
/** Of a class, and of what is on its way as somebody counts. */
const MAX_DESCRIPTORS_LEFT = 10;

/**
 * `npm run drill -- hostile --seconds 60`: each attack of a table, by a process of its own, on a replica with 256 MB of
 * heap, beside 200 clients that behave well.
 *
 * @returns whether the replica lived each time, its memory stayed flat, and the others were told everything in time
 */
export async function runHostile(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const { attacks, options } = readOptions(args);
  print(
    "attack: resident MiB over time | p99 quiet, during (ms) | lost, doubled, dropped | descriptors | keys",
  );
  let areAllGood = true;
  for (const attack of attacks) {
    const outcome = await runAttack(attack, options);
    const faults = faultsOf(outcome);
    print(rowOf(attack, outcome, faults));
    areAllGood &&= faults.length === 0;
  }
  return areAllGood;
}

/** What must not be, in words. */
export function faultsOf({ isAlive, memoryMiB, quiet, during, descriptors }: Outcome): string[] {
  const [first = 0, ...later] = memoryMiB;
  const checks: readonly (readonly [boolean, string])[] = [
    [isAlive, "the replica died"],
    [Math.max(...later) - first <= MAX_GROWTH_MIB, "memory grew"],
    [during.p99Ms <= Math.max(NOISE_MS, quiet.p99Ms * MAX_RATIO), "the others waited"],
    [during.lost + during.doubled + during.dropped === 0, "the others lost something"],
    [during.deliveries > 0, "the others heard nothing"],
    [descriptors[1] - descriptors[0] <= MAX_DESCRIPTORS_LEFT, "descriptors are left"],
  ];
  return checks.flatMap(([isGood, fault]) => (isGood ? [] : [fault]));
}

function rowOf({ name }: Attack, outcome: Outcome, faults: readonly string[]): string {
  const { memoryMiB, quiet, during, descriptors, keys } = outcome;
  return [
    `${name}: ${memoryMiB.join(" ")}`,
    `${quiet.p99Ms.toFixed(1)}, ${during.p99Ms.toFixed(1)}`,
    [during.lost, during.doubled, during.dropped].join(", "),
    descriptors.join(" > "),
    `${keys.join(" > ")}${faults.length > 0 ? ` | ${faults.join(", ").toUpperCase()}` : ""}`,
  ].join(" | ");
}

function readOptions(args: readonly string[]): {
  attacks: readonly Attack[];
  options: HostileOptions;
} {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: "string", default: "60" },
        clients: { type: "string", default: "200" },
        only: { type: "string" },
        main: { type: "string" },
      },
    }));
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : "bad options");
  }
  const whole = (name: "seconds" | "clients", max: number) => {
    const value = /^\d+$/.test(values[name]) ? Number(values[name]) : NaN;
    if (value >= 1 && value <= max) return value;
    throw new OptionError(`--${name} must be a whole number from 1 to ${String(max)}`);
  };
  const attacks = ATTACKS.filter(({ name }) => name.includes(values.only ?? ""));
  if (attacks.length === 0) {
    throw new OptionError(
      `--only must be a part of: ${ATTACKS.map(({ name }) => name).join("; ")}`,
    );
  }
  const options = {
    seconds: whole("seconds", 3_600),
    clients: whole("clients", 2_000),
    ...(values.main !== undefined && { main: values.main }),
  };
  return { attacks, options };
}
