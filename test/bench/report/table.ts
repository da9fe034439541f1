import type { RowResult } from "../measure/results.js";
import { median } from "../measure/statistics.js";
import type { Environment } from "./environment.js";
import { faultsOf, figureUnit, number, verdictOf } from "./words.js";

const HEADINGS = ["row", "medians", "figure", "per round", "at most", ""] as const;
const INDENT = "  ";

/** The results as a table for the terminal, with what was measured under each row. */
export function formatTable(results: readonly RowResult[], environment: Environment): string {
  const lines = results.map(cellsOf);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(INDENT)
      .trimEnd();
  const rows = results.map((result, i) =>
    [toLine(lines[i] ?? []), ...remarksOn(result).map((remark) => INDENT + remark)].join("\n"),
  );
  return [toLine(HEADINGS), ...rows, "", ...formatEnvironment(environment)].join("\n");
}

function cellsOf(result: RowResult): readonly string[] {
  const { id, row, outcome, variants } = result;
  const values = variants.map(({ name, median }) => `${name} ${number(median)}`).join(", ");
  const medians = values === "" ? "" : `${values} ${row.unit}`;
  const limit = String(row.limit);
  if (outcome.kind === "unmeasured") return [id, medians, "-", "-", limit, verdictOf(result)];
  const { min, max } = outcome.spread;
  const spread = `${number(min)}..${number(max)}`;
  const figure = `${number(outcome.figure)} ${figureUnit(row)}`;
  return [id, medians, figure, spread, limit, verdictOf(result)];
}

function remarksOn(result: RowResult): readonly string[] {
  const { row, notes, outcome, details } = result;
  const about = `${row.title}: ${row.measures}${notes.map((note) => `; ${note}`).join("")}`;
  const reason = outcome.kind === "unmeasured" ? [outcome.reason] : [];
  const more = Object.entries(details).map(([name, values]) => `${name} ${number(median(values))}`);
  return [about, ...(more.length === 0 ? [] : [more.join("; ")]), ...reason, ...faultsOf(result)];
}

function formatEnvironment({ commit, versions, machine, pinning }: Environment): string[] {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`commit ${commit}, ${list.join(", ")}`, machine, pinning];
}
