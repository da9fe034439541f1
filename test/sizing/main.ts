/**
 * `npm run size`: how large a cluster has to be, by the benchmark's own figures. Says the formula of each number, and what
 * is measured and what is not.
 */
import { parseArgs } from "node:util";
import { readFigures } from "./figures.js";
import { size, type Demand } from "./model.js";
import { toReport, toRow } from "./report.js";

class OptionError extends Error {
  override readonly name = "OptionError";
}

const OPTIONS = {
  connections: { type: "string", default: "1000000" },
  sessions: { type: "string", default: "20000" },
  events: { type: "string", default: "5000" },
  "lecture-minutes": { type: "string", default: "60" },
  "history-limit": { type: "string", default: "1000" },
  "history-ttl-s": { type: "string", default: "21600" },
  /** MiB of a replica. */
  memory: { type: "string", default: "1024" },
  spread: { type: "string" },
  /** Each replica has CANARY_URL. */
  canary: { type: "boolean", default: false },
  /** Each replica has REDIS_WAIT_REPLICAS. */
  "wait-replicas": { type: "boolean", default: false },
  /** Only the row of the README's table. */
  row: { type: "boolean", default: false },
} as const;

function wholeNumber(name: string, text: string): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : NaN;
  if (value >= 1) return value;
  throw new OptionError(`--${name} must be a whole number from 1 on`);
}

function readValues(args: readonly string[]): ReturnType<typeof parse> {
  try {
    return parse(withValues(args));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new OptionError(message.replaceAll("\n", " "));
  }
}

/** A negative number is the value of the option before it, and a wrong one: not the name of another option. */
function withValues(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    if (/^-[\d.]/.test(arg) && joined.length > 0) joined.push(`${joined.pop() ?? ""}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
}

function main(args: readonly string[]): string {
  const values = readValues(args);
  const connections = wholeNumber("connections", values.connections);
  const sessions = wholeNumber("sessions", values.sessions);
  if (sessions * 2 > connections) {
    throw new OptionError("--sessions must be half of --connections at most: each has its teacher");
  }
  const demand: Demand = {
    connections,
    sessions,
    events: wholeNumber("events", values.events),
    lectureMinutes: wholeNumber("lecture-minutes", values["lecture-minutes"]),
    historyLimit: wholeNumber("history-limit", values["history-limit"]),
    historyTtlS: wholeNumber("history-ttl-s", values["history-ttl-s"]),
    memoryBytes: wholeNumber("memory", values.memory) * 1024 * 1024,
    hasCanaries: values.canary,
    waitsForReplicas: values["wait-replicas"],
    spread: values.spread === undefined ? undefined : wholeNumber("spread", values.spread),
  };
  const figures = readFigures();
  const sizing = size(demand, figures);
  if (!Number.isFinite(sizing.needs.memory)) {
    throw new OptionError(
      "--memory is too little for a replica, however many there are: give more",
    );
  }
  if (!Number.isFinite(sizing.load.replicas)) {
    throw new OptionError("--events and --connections are more than a million replicas can do");
  }
  return values.row ? toRow(sizing) : toReport(sizing, figures);
}

try {
  process.stdout.write(`${main(process.argv.slice(2))}\n`);
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
