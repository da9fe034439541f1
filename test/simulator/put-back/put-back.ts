import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Findings } from "../search/search.js";
import { ProductCopy } from "./copy.js";
import { MENDED_FAULTS, type MendedFault } from "./faults.js";

/** What a search has found. */
interface Finding {
  readonly played: number;
  readonly seed: number | undefined;
  readonly rule: string | undefined;
}

export interface PutBackOptions {
  /** The first seed of each search. */
  readonly from: number;
  /** How many schedules a search may take. */
  readonly count: number;
  /** How many processes search at a time. */
  readonly workers: number;
  /** Of the faults' names, what one must have to be put back. */
  readonly only: string | undefined;
  readonly tell: (line: string) => void;
}

/** Puts faults back, one after the other, and searches until each is found. @returns those that were not */
export async function putFaultsBack(options: PutBackOptions): Promise<readonly string[]> {
  const { only, tell } = options;
  const chosen = MENDED_FAULTS.filter(({ name }) => only === undefined || name.includes(only));
  const copy = await ProductCopy.make();
  const missed: string[] = [];
  tell("fault | schedules until found | seed | rule that it breaks");
  tell("--- | ---: | ---: | ---");
  try {
    for (const fault of chosen) {
      await copy.put(fault);
      const finding = await searchIn(copy, options);
      await copy.mend(fault);
      if (finding.seed === undefined) missed.push(fault.name);
      tell(lineOf(fault, finding));
    }
  } finally {
    await copy.remove();
  }
  return missed;
}

function lineOf({ name }: MendedFault, { played, seed, rule }: Finding): string {
  return seed === undefined
    ? `${name} | not in ${String(played)} | |`
    : `${name} | ${String(played)} | ${String(seed)} | ${rule ?? ""}`;
}

/** In a process of its own, as code that has been loaded stays. */
async function searchIn(
  copy: ProductCopy,
  { from, count, workers }: PutBackOptions,
): Promise<Finding> {
  const args = [
    "--from",
    String(from),
    "--count",
    String(count),
    "--workers",
    String(workers),
    "--brief",
  ];
  const program = ["--import", "tsx", "test/simulator/simulate.ts", ...args];
  const child = spawn(process.execPath, program, {
    cwd: copy.path,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [, found] = /^FOUND (\{.*\})$/m.exec(output) ?? [];
  if (found === undefined) throw new Error(`the search has failed: ${output}${errors}`);
  const { played, broken } = JSON.parse(found) as Findings;
  const [rule, seeds] = broken[0] ?? [];
  return { played, rule, seed: seeds?.[0] };
}
