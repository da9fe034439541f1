import type { Figure, Row } from "../rows.js";
import { median, spreadOf, type Spread } from "./statistics.js";

/** What went wrong while a row was measured. */
export interface Faults {
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Anything else, such as events that were not published. */
  readonly others: readonly string[];
}

export interface VariantResult {
  readonly name: string;
  readonly median: number;
  readonly perRound: readonly number[];
}

export type Outcome =
  | {
      readonly kind: "measured";
      readonly figure: number;
      /** Of the figures of the single rounds. */
      readonly spread: Spread;
      readonly isMet: boolean;
    }
  | { readonly kind: "unmeasured"; readonly reason: string };

/** A row, measured. */
export interface RowResult {
  readonly id: string;
  readonly row: Row;
  readonly outcome: Outcome;
  readonly variants: readonly VariantResult[];
  readonly faults: Faults;
  readonly notes: readonly string[];
  /** More numbers, for the JSON. */
  readonly details: Readonly<Record<string, readonly number[]>>;
}

export function hasFaults({ lost, duplicated, reordered, others }: Faults): boolean {
  return lost + duplicated + reordered > 0 || others.length > 0;
}

/** Whether the row keeps its promise: within its limit, and nothing lost, doubled or out of order. */
export function isGood({ outcome, faults }: RowResult): boolean {
  return outcome.kind === "measured" && outcome.isMet && !hasFaults(faults);
}

/** The figure made of one value for each variant. */
export function figureOf(figure: Figure, values: ReadonlyMap<string, number>): number {
  const value = (name: string) => values.get(name) ?? NaN;
  switch (figure.kind) {
    case "ratio":
      return value(figure.of) / value(figure.to);
    case "alone":
      return value(figure.of);
    case "extremes":
      return Math.max(...values.values()) / Math.min(...values.values());
  }
}

/**
 * Judges a row.
 *
 * @param series - the values of each variant, one for each round
 * @param problem - why the row could not be measured, if so
 */
export function judge(
  row: Row,
  series: ReadonlyMap<string, readonly number[]>,
  problem: string | undefined,
): { outcome: Outcome; variants: readonly VariantResult[] } {
  const variants = [...series].map(([name, perRound]) => {
    return { name, perRound, median: median(perRound) };
  });
  if (problem !== undefined) return { outcome: { kind: "unmeasured", reason: problem }, variants };
  const medians = new Map(variants.map(({ name, median }) => [name, median]));
  const figure = figureOf(row.figure, medians);
  const rounds = Math.min(...variants.map(({ perRound }) => perRound.length));
  const perRound = Array.from({ length: Number.isFinite(rounds) ? rounds : 0 }, (_, i) =>
    figureOf(row.figure, new Map(variants.map((v) => [v.name, v.perRound[i] ?? NaN]))),
  );
  if (!Number.isFinite(figure)) {
    return { outcome: { kind: "unmeasured", reason: "there are no values to compare" }, variants };
  }
  const spread = spreadOf(perRound);
  return { outcome: { kind: "measured", figure, spread, isMet: figure <= row.limit }, variants };
}
