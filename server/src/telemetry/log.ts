import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/**
 * The process's log: one JSON object a line on standard output, with the node in each.
 *
 * @param level - one of pino's levels
 */
export function createLogger(level: string, nodeId: string): Logger {
  // Whoever read the log may be gone. That must neither end the process nor keep it from ending, which pino's own
  // writer does: on a broken pipe it tries for ever.
  process.stdout.on("error", () => undefined);
  return pino({ level, base: { node: nodeId } }, process.stdout);
}
