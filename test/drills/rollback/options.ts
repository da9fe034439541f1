import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { OptionError } from "../../chaos/options.js";

/** How Redis comes back: with what, and so with how much. */
export const ROLLBACK_KINDS = ["rdb", "failover", "aof-tail", "aof-always"] as const;

export type RollbackKind = (typeof ROLLBACK_KINDS)[number];

/** What to run. */
export interface RollbackOptions {
  readonly kind: RollbackKind;
  /** How often Redis is killed. */
  readonly races: number;
  /** Decides on the delays, on who is cut off, and on what is published. */
  readonly seed: number;
  readonly clients: number;
  /** Events published in a second, over all sessions. */
  readonly rate: number;
  /** The program of the replicas; by default the built server. */
  readonly main?: string;
}

const MAX_SEED = 2 ** 32 - 1;

/** @throws OptionError */
export function parseRollback(args: readonly string[]): RollbackOptions {
  const values = readValues(args);
  const whole = (name: "races" | "seed" | "clients" | "rate", fallback: number, max: number) => {
    const text = values[name] ?? String(fallback);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    const min = name === "seed" ? 0 : 1;
    if (value >= min && value <= max) return value;
    throw new OptionError(`--${name} must be a whole number from ${min} to ${max}`);
  };
  const kind = ROLLBACK_KINDS.find((kind) => kind === (values.kind ?? "rdb"));
  if (!kind) throw new OptionError(`--kind must be one of ${ROLLBACK_KINDS.join(", ")}`);
  return {
    kind,
    races: whole("races", 50, 1_000),
    seed: whole("seed", randomInt(MAX_SEED), MAX_SEED),
    clients: whole("clients", 40, 1_000),
    rate: whole("rate", 200, 5_000),
    ...(values.main !== undefined && { main: values.main }),
  };
}

function readValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        kind: { type: "string" },
        races: { type: "string" },
        seed: { type: "string" },
        clients: { type: "string" },
        rate: { type: "string" },
        main: { type: "string" },
      },
    }).values;
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split(
      /\.? To |\n/,
    );
    throw new OptionError(line);
  }
}
