import { pino, stdSerializers, type LogFn, type Logger } from "pino";
import { GatheredLines } from "./lines.js";
import { Sampler } from "./sampler.js";

export type { Logger } from "pino";

/** Of pino's levels. */
const WARN = 40;
/** In characters. */
const MAX_FIELD_LENGTH = 256;
/** What goes wrong for many goes wrong for all of them at once, and again at each attempt. */
const TROUBLES = { linesPerWindow: 3, windowMs: 10_000 };

/** Is in the fields of a line, and not in what is written. */
const OVER = Symbol("over");

/** The fields of a line that tells of the end of a problem: whoever was told of the one is told of the other. */
export function over<Fields extends object>(fields: Fields): Fields {
  return { ...fields, [OVER]: true };
}

/**
 * The process's log: one JSON object a line on standard output, with the node in each. The same warning or error is
 * logged three times in ten seconds at most; the next line says how many were left out, as `untold`. A
 * field is cut where it is long, and where nobody reads the log, lines are left out and counted.
 *
 * @param level - one of pino's levels
 * @param onTrouble - told of each warning and error that is logged, and of what is `over`
 */
export function createLogger(
  level: string,
  nodeId: string,
  onTrouble?: (level: number, message: string) => void,
): Logger {
  // Whoever read the log may be gone. That must neither end the process nor keep it from ending, which pino's own
  // writer does: on a broken pipe it tries for ever.
  process.stdout.on("error", () => undefined);
  const lines = new GatheredLines(process.stdout, (untold) => {
    log.warn({ untold }, "nobody read this log for a while: lines were left out");
  });
  const sampler = new Sampler(TROUBLES);
  // A warning's error is one that is known to happen: what it says is told, and not where in our code it was met.
  let isExpected = false;
  const hooks = {
    logMethod(this: Logger, args: Parameters<LogFn>, method: LogFn, levelOfLine: number) {
      const untold = levelOfLine >= WARN ? sampler.admit(messageOf(args)) : 0;
      if (untold === undefined) return;
      if (levelOfLine >= WARN || isOver(args[0])) onTrouble?.(levelOfLine, messageOf(args));
      isExpected = levelOfLine === WARN;
      method.apply(this, untold > 0 ? withUntold(args, untold) : args);
      isExpected = false;
      // What went wrong may be the last thing that this process tells.
      if (levelOfLine >= WARN) lines.flush();
    },
  };
  const log = pino(
    {
      level,
      base: { node: nodeId },
      hooks,
      formatters: { log: cutLong },
      serializers: { err: (error: Error) => plain(stdSerializers.err(error), !isExpected) },
    },
    lines,
  );
  return log;
}

/** Of an error what is said in words: an object that it carries may be a certificate, or what a stranger has sent. */
function plain(fields: object, hasStack: boolean): Record<string, unknown> {
  const told = Object.entries(fields).filter(
    ([name, value]) => typeof value !== "object" && (hasStack || name !== "stack"),
  );
  const { aggregateErrors } = fields as { readonly aggregateErrors?: readonly object[] };
  const several = aggregateErrors && {
    aggregateErrors: aggregateErrors.map((one) => plain(one, hasStack)),
  };
  return { ...Object.fromEntries(told), ...several };
}

/** What a stranger says of itself, such as its name, may be in a line: that it is long must not make the log long. */
function cutLong(fields: Record<string, unknown>): Record<string, unknown> {
  if (!hasLong(fields)) return fields;
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cut(value)]));
}

/** Without a list of its values: each line that is told comes by here. */
function hasLong(fields: Record<string, unknown>): boolean {
  for (const name in fields) if (isLong(fields[name])) return true;
  return false;
}

function isLong(value: unknown): value is string {
  return typeof value === "string" && value.length > MAX_FIELD_LENGTH;
}

function cut(value: unknown): unknown {
  return isLong(value) ? `${value.slice(0, MAX_FIELD_LENGTH)}…` : value;
}

function isOver(fields: unknown): boolean {
  return typeof fields === "object" && fields !== null && OVER in fields;
}

/** The line without what differs each time. */
function messageOf(args: readonly unknown[]): string {
  return args.find((arg) => typeof arg === "string") ?? "";
}

function withUntold(args: readonly unknown[], untold: number): Parameters<LogFn> {
  const [first, ...rest] = args;
  const fields = typeof first === "object" ? { ...first, untold } : { untold };
  return [fields, ...(typeof first === "string" ? [first] : []), ...rest] as Parameters<LogFn>;
}
