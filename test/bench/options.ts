import { parseArgs } from "node:util";
import { isRowId, ROW_IDS, type RowId } from "./rows.js";

/** What to run. */
export interface BenchOptions {
  /** Smaller and shorter: two minutes instead of ten. */
  readonly quick: boolean;
  /** How often everything is measured; by default what the size says. */
  readonly rounds: number | undefined;
  readonly rows: readonly RowId[];
  /** Where `bench.json` and `bench.svg` go. */
  readonly out: string;
  /** The node binary of the servers under test; by default our own. */
  readonly node: string;
  /** What others may use of a pinned core before a round is measured anew, in percent. */
  readonly tolerance: number;
}

/** A bad option; the message is one line that names it. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

const DEFAULT_OUT = "test/output";
const DEFAULT_TOLERANCE = 5;

/** @throws OptionError */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { quick, rounds, rows, out, node, tolerate } = readValues(args);
  const text = (name: string, value: string | undefined, fallback: string) => {
    if (value === "") throw new OptionError(`--${name} must not be empty`);
    return value ?? fallback;
  };
  return {
    quick: quick === true,
    rounds: rounds === undefined ? undefined : wholeNumber("rounds", rounds, 3, 20),
    rows: rows === undefined ? ROW_IDS : parseRows(rows),
    out: text("out", out, DEFAULT_OUT),
    node: text("node", node, process.execPath),
    tolerance:
      tolerate === undefined ? DEFAULT_TOLERANCE : wholeNumber("tolerate", tolerate, 1, 100),
  };
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new OptionError(`--${name} must be a whole number from ${min} to ${max}`);
}

/** In the order of the table, whatever the order asked for. */
function parseRows(list: string): readonly RowId[] {
  const names = list.split(",").map((name) => name.trim());
  for (const name of names) {
    if (!isRowId(name)) {
      throw new OptionError(`--rows has no row "${name}": the rows are ${ROW_IDS.join(", ")}`);
    }
  }
  return ROW_IDS.filter((id) => names.includes(id));
}

function readValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean" },
        rounds: { type: "string" },
        rows: { type: "string" },
        out: { type: "string" },
        node: { type: "string" },
        tolerate: { type: "string" },
      },
    }).values;
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split(
      /\.? To |\n/,
    );
    throw new OptionError(line);
  }
}
