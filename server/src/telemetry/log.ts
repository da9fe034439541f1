import { pino, type LogFn, type Logger } from "pino";
import { GatheredLines } from "./lines.js";
import { Sampler } from "./sampler.js";

export type { Logger } from "pino";

/** Of pino's levels. */
const WARN = 40;
/** What goes wrong for many goes wrong for all of them at once, and again at each attempt. */
const TROUBLES = { linesPerWindow: 3, windowMs: 10_000 };

/**
 * The process's log: one JSON object a line on standard output, with the node in each. The same warning or error is
 * logged three times in ten seconds at most; the next line says how many were left out, as `untold`.
 *
 * @param level - one of pino's levels
 */
export function createLogger(level: string, nodeId: string): Logger {
  // Whoever read the log may be gone. That must neither end the process nor keep it from ending, which pino's own
  // writer does: on a broken pipe it tries for ever.
  process.stdout.on("error", () => undefined);
  const lines = new GatheredLines(process.stdout);
  const sampler = new Sampler(TROUBLES);
  const hooks = {
    logMethod(this: Logger, args: Parameters<LogFn>, method: LogFn, levelOfLine: number) {
      const untold = levelOfLine >= WARN ? sampler.admit(messageOf(args)) : 0;
      if (untold === undefined) return;
      method.apply(this, untold > 0 ? withUntold(args, untold) : args);
      // What went wrong may be the last thing that this process tells.
      if (levelOfLine >= WARN) lines.flush();
    },
  };
  return pino({ level, base: { node: nodeId }, hooks }, lines);
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
