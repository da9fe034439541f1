import { parseArgs } from "node:util";
import { OptionError } from "../chaos/options.js";
import { Ends } from "../helpers/topologies/ends.js";
import { costWith, RENEWALS, type Cost } from "../every-redis/cluster/helpers/cost.js";

const DEFAULT_MASTERS = "3,30,300";
const MOST_MASTERS = 300;
const SESSIONS = 100;
/** Renewals in a second, as the replica is set up. */
const RENEWALS_PER_S = 2;
const WORDS = 4;

/** What a replica costs a Redis Cluster with few masters and many: `npm run drill -- masters --masters 3,30`. */
export async function runMasters(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const costs: Cost[] = [];
  for (const count of countsIn(args)) {
    const ends = new Ends();
    try {
      const cost = await costWith(ends, count, SESSIONS);
      costs.push(cost);
      print(lineOf(cost));
    } finally {
      await ends.end();
    }
  }
  return costs.every(isAsPromised);
}

/** A subscription for each room, a proof in each master, and one for all; no command of a kind that grows with sessions. */
function isAsPromised({ masters, subscriptions, subscribing }: Cost): boolean {
  return subscriptions === 2 * SESSIONS + masters + 1 && subscribing <= subscriptions;
}

function lineOf({ masters, commands, subscriptions, connections }: Cost): string {
  const seconds = RENEWALS / RENEWALS_PER_S;
  const all = [...commands.values()].reduce((sum, calls) => sum + calls, 0);
  const most = [...commands]
    .sort(([, one], [, other]) => other - one)
    .slice(0, WORDS)
    .map(([name, calls]) => `${name} ${(calls / seconds).toFixed(1)}`);
  const perMaster = (all / seconds / masters).toFixed(1);
  return (
    `${String(masters)} masters: ${String(subscriptions)} subscriptions for ${String(2 * SESSIONS)} rooms, ` +
    `${String(connections)} connections, ${(all / seconds).toFixed(0)} commands/s, ` +
    `${perMaster} for each master (${most.join(", ")})`
  );
}

/** @throws OptionError */
function countsIn(args: readonly string[]): readonly number[] {
  const text = readMasters(args);
  const counts = text.split(",").map(Number);
  const areCounts = counts.every((one) => Number.isInteger(one) && one >= 1 && one <= MOST_MASTERS);
  if (!areCounts)
    throw new OptionError(`--masters takes numbers from 1 to ${String(MOST_MASTERS)}`);
  return counts;
}

function readMasters(args: readonly string[]): string {
  try {
    const { values } = parseArgs({ args: [...args], options: { masters: { type: "string" } } });
    return values.masters ?? DEFAULT_MASTERS;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}
