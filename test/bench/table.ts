import { hasFaults, isGood, type RowResult } from "./results.js";

/** The results as a table for the terminal. */
export function formatTable(results: readonly RowResult[]): string {
  return results.map(formatRow).join("\n");
}

function formatRow(result: RowResult): string {
  const { id, row, outcome, variants, faults, notes } = result;
  const values = variants.map(({ name, median }) => `${name} ${number(median)} ${row.unit}`);
  const figure =
    outcome.kind === "measured"
      ? `${number(outcome.figure)} (${number(outcome.spread.min)}..${number(outcome.spread.max)})`
      : outcome.reason;
  const verdict = isGood(result) ? "met" : "MISSED";
  const wrong = hasFaults(faults) ? `  ${JSON.stringify(faults)}` : "";
  return `${id}: ${figure}, at most ${row.limit}: ${verdict}  [${values.join(", ")}]${wrong} ${notes.join("; ")}`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
