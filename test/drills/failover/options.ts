import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { OptionError, readProgram } from "../../chaos/options.js";
import type { RedisProgram } from "../../helpers/tools/redis-programs.js";
import { TOPOLOGY_KINDS, type TopologyKind } from "../../helpers/topologies/topology.js";

/** What happens to Redis: one of its primaries dies and comes back, or one of an operator's changes. */
export const FAULTS = ["kill", "planned", "migrate", "add", "remove"] as const;

export type FailoverFault = (typeof FAULTS)[number];

/** What to run. */
export interface FailoverOptions {
  readonly redis: readonly TopologyKind[];
  /** Which program Redis is; by default the `redis-server` that is installed. */
  readonly program?: RedisProgram;
  readonly faults: readonly FailoverFault[];
  /** How often each is made. */
  readonly times: number;
  /** From then on none is made any more, but the first of its kind: those that were are judged. By default there is no such limit. */
  readonly seconds?: number;
  /** As `REDIS_WAIT_REPLICAS` of the servers, and of the emitters. */
  readonly waitReplicas: number;
  /** Decides on who is killed, and when, and on what is published. */
  readonly seed: number;
  readonly clients: number;
  /** Events published in a second, over all sessions. */
  readonly rate: number;
  /** Prints JSON, and nothing else. */
  readonly json: boolean;
  /** The program of the replicas; by default the built server. */
  readonly main?: string;
}

const MAX_SEED = 2 ** 32 - 1;

/** @throws OptionError */
export function parseFailover(args: readonly string[]): FailoverOptions {
  const values = readValues(args);
  const whole = (name: keyof typeof values, fallback: number, min: number, max: number) => {
    const text = values[name] ?? String(fallback);
    const value = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new OptionError(`--${name} must be a whole number from ${min} to ${max}`);
  };
  return {
    redis: some("redis", values.redis, TOPOLOGY_KINDS),
    ...(values.program !== undefined && { program: readProgram(values.program) }),
    faults: some("faults", values.faults, FAULTS),
    times: whole("times", 1, 1, 200),
    ...(values.seconds !== undefined && { seconds: whole("seconds", 0, 1, 86_400) }),
    waitReplicas: whole("wait-replicas", 0, 0, 2),
    seed: whole("seed", randomInt(MAX_SEED), 0, MAX_SEED),
    clients: whole("clients", 30, 1, 500),
    rate: whole("rate", 120, 1, 2_000),
    json: values.json === true,
    ...(values.main !== undefined && { main: values.main }),
  };
}

function some<T extends string>(
  name: string,
  text: string | undefined,
  all: readonly T[],
): readonly T[] {
  const wanted = text?.split(",") ?? [...all];
  const known = all.filter((one) => wanted.includes(one));
  if (known.length > 0 && known.length === new Set(wanted).size) return known;
  throw new OptionError(`--${name} must be some of ${all.join(",")}`);
}

function readValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        redis: { type: "string" },
        program: { type: "string" },
        faults: { type: "string" },
        times: { type: "string" },
        seconds: { type: "string" },
        "wait-replicas": { type: "string" },
        seed: { type: "string" },
        clients: { type: "string" },
        rate: { type: "string" },
        json: { type: "boolean" },
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
