import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { planOf, type Setting } from "./plan.js";
import { runPlan } from "./run-plan.js";

/** Which schedules are played. */
export interface SearchOptions {
  /** The first seed. */
  readonly from: number;
  /** From one seed to the next: others have those between. */
  readonly step: number;
  /** How many; `undefined` where time ends it. */
  readonly count: number | undefined;
  readonly minutes: number;
  /** Whether it goes on where a promise was broken. */
  readonly goesOn: boolean;
  /** What Redis is in them: `undefined` for what each seed decides. */
  readonly redis: Setting | undefined;
}

/** What was played, and found. */
export interface Findings {
  played: number;
  virtualMs: number;
  published: number;
  /** Seeds by the rules that they broke, in the order in which they did. */
  readonly broken: [rule: string, seeds: number[]][];
}

export function nothingYet(): Findings {
  return { played: 0, virtualMs: 0, published: 0, broken: [] };
}

export async function search(options: SearchOptions): Promise<Findings> {
  const { from, step, count, minutes, goesOn, redis } = options;
  const end = Date.now() + minutes * 60_000;
  const found = nothingYet();
  const isOver = () => (count === undefined ? Date.now() >= end : found.played >= count);
  for (let seed = from; !isOver(); seed += step) {
    const { ms, published, violations } = await runPlan(planOf(seed, redis));
    found.played++;
    found.virtualMs += ms;
    found.published += published;
    const [violation] = violations;
    if (!violation) continue;
    note(found, violation.rule, [seed]);
    if (!goesOn) break;
  }
  return found;
}

/** The same by several processes: `command` is what each of them runs, to tell its findings as the last line. */
export async function searchBySeveral(
  workers: number,
  options: SearchOptions,
  command: (part: SearchOptions) => readonly string[],
): Promise<Findings> {
  const { from, count } = options;
  const all = nothingYet();
  const children = Array.from({ length: workers }, (_, i) => {
    const share = count === undefined ? undefined : Math.ceil((count - i) / workers);
    const args = command({ ...options, from: from + i, step: workers, count: share });
    return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  });
  let isEnough = false;
  await Promise.all(
    children.map(async (child) => {
      const told = await text(child.stdout);
      const [, json] = /^FOUND (\{.*\})$/m.exec(told) ?? [];
      if (json === undefined) {
        if (isEnough) return;
        throw new Error(`a search has failed: ${told}`);
      }
      const found = JSON.parse(json) as Findings;
      all.played += found.played;
      all.virtualMs += found.virtualMs;
      all.published += found.published;
      for (const [rule, seeds] of found.broken) note(all, rule, seeds);
      if (found.broken.length === 0 || options.goesOn) return;
      // The others need not go on: what they have played is not counted.
      isEnough = true;
      for (const other of children) other.kill();
    }),
  );
  return all;
}

function note({ broken }: Findings, rule: string, seeds: readonly number[]): void {
  const known = broken.find(([name]) => name === rule);
  if (known) known[1].push(...seeds);
  else broken.push([rule, [...seeds]]);
}
