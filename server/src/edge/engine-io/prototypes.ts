/**
 * The only place where prototypes of other packages are changed: for our own servers, while others in the process keep
 * what they had. What else is used of private parts: `test/dependencies/private-parts.md`.
 */
import type { IncomingMessage } from "node:http";
import { Socket as EngineSocket } from "engine.io";
import { Socket } from "socket.io";
import { shortHandshake, type Handshake } from "./handshake.js";

// Private in socket.io's types.
interface SocketSeam {
  readonly server: object;
  readonly conn: { readonly request: IncomingMessage | undefined };
  buildHandshake: (this: SocketSeam, auth: Handshake["auth"]) => Handshake;
}

// Private in engine.io's types.
interface ConnectionSeam {
  readonly server: object;
  schedulePing: (this: ConnectionSeam) => void;
}

const shortening = new WeakSet();
const pinging = new WeakSet();

/**
 * Has a Socket.IO server keep of a handshake what admission reads: address, query and what the client says of itself.
 * Else it asks the clock twice and prints a date for each connection.
 */
export function shortenHandshakes(server: object): void {
  shortening.add(server);
}

/** Spares an Engine.IO server its timer for each connection's next ping, which is made as it opens: it pings by itself. */
export function omitPingTimers(engine: object): void {
  pinging.add(engine);
}

const socket = Socket.prototype as unknown as SocketSeam;
const { buildHandshake } = socket;
socket.buildHandshake = function (auth) {
  const { request } = this.conn;
  if (!request || !shortening.has(this.server)) return buildHandshake.call(this, auth);
  return shortHandshake(request, auth);
};

const connection = EngineSocket.prototype as unknown as ConnectionSeam;
const { schedulePing } = connection;
connection.schedulePing = function () {
  if (!pinging.has(this.server)) schedulePing.call(this);
};
