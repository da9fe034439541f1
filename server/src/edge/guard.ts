import type { Logger } from "../telemetry/log.js";

/** A connection, or who can end one. */
export interface Destroyable {
  readonly destroyed?: boolean;
  destroy(): unknown;
}

/** Drops a connection for an error that nobody expected. */
export type Drop = (error: unknown, connection: Destroyable) => void;

/** Has an error that nobody expected cost the connection in whose turn it came, and not the process. */
export function dropper(log: Pick<Logger, "error">): Drop {
  return (error, connection) => {
    log.error({ err: error }, "a connection was dropped: an error that nobody expected");
    try {
      connection.destroy();
    } catch (err) {
      log.error({ err }, "and could not be dropped");
    }
  };
}

/**
 * The same for listeners to what strangers send, whose errors nobody else catches.
 *
 * @param connectionOf - finds the connection among what the listener is called with
 */
export function guard<Args extends readonly unknown[]>(
  drop: Drop,
  connectionOf: (...args: Args) => Destroyable,
  listener: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      listener(...args);
    } catch (error) {
      drop(error, connectionOf(...args));
    }
  };
}
