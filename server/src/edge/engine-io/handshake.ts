import type { IncomingMessage } from "node:http";
import { Socket } from "socket.io";
import { prepareQuery } from "../request-query.js";

type Handshake = Socket["handshake"];

/** What is left of a handshake: nobody reads it any more. Not `undefined`, as Socket.IO tells other servers of it. */
const FORGOTTEN: Handshake = Object.freeze({
  headers: {},
  time: "",
  address: "",
  xdomain: false,
  secure: false,
  issued: 0,
  url: "",
  query: {},
  auth: {},
});

// Private or read-only in the types of socket.io and engine.io. Pinned by the tests of what a connection keeps.
interface HandshakeSeam {
  handshake: Handshake;
  readonly server: object;
  readonly conn: { request: IncomingMessage | undefined };
  buildHandshake: (this: HandshakeSeam, auth: Handshake["auth"]) => Handshake;
}

const shortening = new WeakSet();

/**
 * Has a Socket.IO server keep of a handshake what admission reads: address, query and what the client says of itself.
 * Else it asks the clock twice and prints a date for each connection.
 */
export function shortenHandshakes(server: object): void {
  shortening.add(server);
}

const socket = Socket.prototype as unknown as HandshakeSeam;
const { buildHandshake } = socket;
socket.buildHandshake = function (auth) {
  const { request } = this.conn;
  if (!request || !shortening.has(this.server)) return buildHandshake.call(this, auth);
  return { ...FORGOTTEN, url: request.url ?? "", query: prepareQuery(request), auth };
};

/**
 * To be called when a connection has been admitted: lets go of the request that began it, with all its headers, and of
 * the handshake, which may hold a secret. Together they are a quarter of an idle connection's memory.
 */
export function forgetHandshake(socket: object): void {
  const seam = socket as HandshakeSeam;
  seam.handshake = FORGOTTEN;
  seam.conn.request = undefined;
}
