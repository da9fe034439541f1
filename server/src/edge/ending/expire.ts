import { EventStreamConnection } from "../event-stream/connection.js";
import { PlainConnection } from "../plain/connection.js";

/** Engine.IO's connection, as far as ending it needs. */
interface EngineConnection {
  close(discard: boolean): void;
}

/**
 * Ends the connection of a socket whose token has run out, in the way that brings its client back. What waits for it is
 * not told any more: it gets that when it resumes.
 */
export function expire(socket: { readonly conn: unknown }): void {
  const { conn } = socket;
  if (conn instanceof PlainConnection) conn.expire();
  else if (conn instanceof EventStreamConnection) conn.close();
  else (conn as EngineConnection).close(true);
}
