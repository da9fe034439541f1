import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { TOPOLOGY_KINDS, type TopologyKind } from "../helpers/topologies/topology.js";
import { REDIS_PROGRAMS, type RedisProgram } from "../helpers/tools/redis-programs.js";
import { FAULT_KINDS, kindsOn } from "./faults/fault.js";

/** What to run. */
export interface ChaosOptions {
  /** What Redis is deployed as; by default one that is alone. */
  readonly redis?: TopologyKind;
  /** Which program it is; by default the `redis-server` that is installed. */
  readonly program?: RedisProgram;
  /** How long faults are made. */
  readonly seconds: number;
  /** Decides on the faults, on when clients join, and on what is published. */
  readonly seed: number;
  /** Redis also loses all of its memory. */
  readonly forget: boolean;
  readonly clients: number;
  /** Events published in a second, over all sessions. */
  readonly rate: number;
  readonly sessions: number;
  /** Only the faults whose names contain one of these. */
  readonly only?: readonly string[];
  /** The program of the replicas; by default the built server. */
  readonly main?: string;
  /** Added to the environment of the replicas: shorter times make a shorter run. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told every few seconds how it goes. */
  readonly onProgress?: (line: string) => void;
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: "chaos"; readonly options: ChaosOptions }
  | { readonly kind: "bounded"; readonly events: number; readonly rate: number };

/** A bad option; the message is one line that names it. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** @throws OptionError */
export function readProgram(text: string): RedisProgram {
  const program = REDIS_PROGRAMS.find((program) => program === text);
  if (program) return program;
  throw new OptionError(`--program must be one of ${REDIS_PROGRAMS.join(", ")}`);
}

const MAX_SEED = 2 ** 32 - 1;

/** @throws OptionError */
export function parseCommand(args: readonly string[]): Command {
  const values = readValues(args);
  const whole = (name: keyof typeof values, fallback: number, min: number, max: number) => {
    const text = values[name];
    if (text === undefined) return fallback;
    const value = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new OptionError(`--${name} must be a whole number from ${min} to ${max}`);
  };
  if (values.bounded === true) {
    return {
      kind: "bounded",
      events: whole("events", 200_000, 1_000, 10_000_000),
      // Slow enough that idempotency keys, kept for a minute, have long begun to expire by half-time.
      rate: whole("rate", 1_000, 1, 100_000),
    };
  }
  const redis = TOPOLOGY_KINDS.find((kind) => kind === (values.redis ?? "standalone"));
  if (!redis) throw new OptionError(`--redis must be one of ${TOPOLOGY_KINDS.join(", ")}`);
  if (values.forget === true && redis !== "standalone") {
    throw new OptionError("--forget goes with --redis standalone only");
  }
  if (values.events !== undefined) throw new OptionError("--events goes with --bounded only");
  const options: ChaosOptions = {
    redis,
    ...(values.program !== undefined && { program: readProgram(values.program) }),
    seconds: whole("seconds", 60, 1, 3_600),
    seed: whole("seed", randomInt(MAX_SEED), 0, MAX_SEED),
    forget: values.forget === true,
    clients: whole("clients", 300, 1, 2_000),
    rate: whole("rate", 300, 1, 5_000),
    sessions: whole("sessions", 10, 1, 1_000),
    ...(values.only !== undefined && { only: readOnly(values.only, redis) }),
    ...(values.main !== undefined && { main: values.main }),
  };
  return { kind: "chaos", options };
}

function readOnly(text: string, redis: TopologyKind): string[] {
  const parts = text.split(",").filter((part) => part !== "");
  const unknown = parts.find((part) => !FAULT_KINDS.some((kind) => kind.includes(part)));
  if (parts.length > 0 && unknown === undefined) {
    const elsewhere = parts.find((part) => !kindsOn(redis).some((kind) => kind.includes(part)));
    if (elsewhere === undefined) return parts;
    throw new OptionError(`--only must name faults of ${redis}: ${elsewhere} is none`);
  }
  throw new OptionError(`--only must name parts of: ${FAULT_KINDS.join(", ")}`);
}

function readValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        redis: { type: "string" },
        program: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
        forget: { type: "boolean" },
        clients: { type: "string" },
        rate: { type: "string" },
        sessions: { type: "string" },
        only: { type: "string" },
        main: { type: "string" },
        bounded: { type: "boolean" },
        events: { type: "string" },
      },
    }).values;
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split(
      /\.? To |\n/,
    );
    throw new OptionError(line);
  }
}
