import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/**
 * The process's log: one JSON object a line on standard output, with the node in each.
 *
 * @param level - one of pino's levels
 */
export function createLogger(level: string, nodeId: string): Logger {
  return pino({ level, base: { node: nodeId } });
}
