import type { Logger } from "../telemetry/log.js";

/** What a listener is called with where a stranger comes in. */
interface Destroyable {
  destroy(): unknown;
}

/**
 * Has an error that nobody expected cost the connection that caused it, and not the process: for listeners to what
 * strangers send, whose errors nobody else catches.
 *
 * @param connectionOf - finds the connection among what the listener is called with
 */
export function guard<Args extends readonly unknown[]>(
  log: Logger,
  connectionOf: (...args: Args) => Destroyable,
  listener: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      listener(...args);
    } catch (error) {
      log.error({ err: error }, "a connection was dropped: an error that nobody expected");
      connectionOf(...args).destroy();
    }
  };
}
