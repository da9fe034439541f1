import { hasFaults, isGood, type RowResult } from "../measure/results.js";
import type { Row } from "../rows.js";

/** Three digits: more would be noise. */
export function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The row's limit, as the table of rows has it. */
export function limitOf({ limit }: Row): string {
  return `at most ${limit}`;
}

/** A row's result in one line. */
export function summaryOf(result: RowResult): string {
  const { id, row, outcome } = result;
  const limit = `${limitOf(row)}: ${verdictOf(result)}`;
  if (outcome.kind === "unmeasured") return `${id}: ${outcome.reason}; ${limit}`;
  return `${id}: ${number(outcome.figure)} ${figureUnit(row)}, ${limit}`;
}

/** What the figure counts, such as `× stock`. */
export function figureUnit({ figure, unit }: Row): string {
  switch (figure.kind) {
    case "ratio":
      return `× ${figure.to}`;
    case "alone":
      return unit;
    case "extremes":
      return "× the lowest";
  }
}

export function verdictOf(result: RowResult): "met" | "missed" | "faulty" | "not measured" {
  if (result.outcome.kind === "unmeasured") return "not measured";
  if (hasFaults(result.faults)) return "faulty";
  return isGood(result) ? "met" : "missed";
}

/** What was lost, doubled, out of order, or else went wrong; empty if nothing did. */
export function faultsOf({ faults }: Pick<RowResult, "faults">): readonly string[] {
  const counted = (["lost", "duplicated", "reordered"] as const).flatMap((kind) =>
    faults[kind] > 0 ? [`${faults[kind]} deliveries ${kind}`] : [],
  );
  return [...counted, ...faults.others];
}
