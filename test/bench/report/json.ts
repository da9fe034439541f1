import type { RowResult } from "../measure/results.js";
import { isGood } from "../measure/results.js";
import type { Environment } from "./environment.js";
import { verdictOf } from "./words.js";

/** How it was measured. */
export interface Settings {
  readonly startedAt: string;
  readonly quick: boolean;
  readonly rounds: number;
}

/** The results as a file: every value of every round, and everything that the table says. */
export function formatJson(
  results: readonly RowResult[],
  environment: Environment,
  settings: Settings,
): string {
  const rows = results.map((result) => {
    const { id, row, outcome, variants, faults, notes, details } = result;
    return { id, ...row, verdict: verdictOf(result), outcome, variants, faults, notes, details };
  });
  const document = { ...settings, ...environment, isGood: results.every(isGood), rows };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
