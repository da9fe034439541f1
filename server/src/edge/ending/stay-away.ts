import { EventStreamConnection } from "../event-stream/connection.js";

/**
 * How a connection's client is told to stay away before it is told anything else: an EventSource comes back from every
 * end of its stream, and stays away only by how its next request is answered.
 */
export function stayAway(connection: object): (() => void) | undefined {
  if (!(connection instanceof EventStreamConnection)) return undefined;
  return () => {
    connection.stayAway();
  };
}
