import { parseArgs } from "node:util";
import { OptionError } from "../../chaos/options.js";

const MAX = 1_000_000;

/**
 * Reads `--clients 100 --rate 50`: whole numbers from 1, by the names of the defaults.
 *
 * @throws OptionError
 */
export function readSizes<Name extends string>(
  args: readonly string[],
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names = Object.keys(defaults) as Name[];
  let values: Readonly<Record<string, unknown>>;
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : "bad options");
  }
  const read = (name: Name): number => {
    const text = values[name];
    if (text === undefined) return defaults[name];
    const value = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= 1 && value <= MAX) return value;
    throw new OptionError(`--${name} must be a whole number from 1 to ${String(MAX)}`);
  };
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<Name, number>;
}
