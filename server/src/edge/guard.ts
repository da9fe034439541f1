import type { Server } from "node:net";
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

/** So often in one turn of the event loop: in each Node.js goes on with the next. */
const MAX_FAILURES_IN_A_TURN = 1_000;
const nobody: Destroyable = { destroy: () => undefined };

/** The same for a connection that a server could not take, for want of a descriptor or of memory: it listens on. */
export function listenOn(server: Server, drop: Drop): void {
  let failures = 0;
  server.on("error", (error) => {
    // That it cannot listen is told to who has it listen.
    if (!server.listening) return;
    failures++;
    // As long as none can be taken, the turn does not end: nobody is served any more.
    if (failures > MAX_FAILURES_IN_A_TURN) throw error;
    if (failures > 1) return;
    drop(error, nobody);
    setImmediate(() => {
      failures = 0;
    });
  });
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
