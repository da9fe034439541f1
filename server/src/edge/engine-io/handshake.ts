import type { IncomingMessage } from "node:http";
import type { Socket } from "socket.io";
import { prepareQuery } from "../request-query.js";

export type Handshake = Socket["handshake"];

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

/** What admission reads of a handshake, and no more. */
export function shortHandshake(request: IncomingMessage, auth: Handshake["auth"]): Handshake {
  return { ...FORGOTTEN, url: request.url ?? "", query: prepareQuery(request), auth };
}

// Private or read-only in the types of socket.io, engine.io and node (test/dependencies/private-parts.md).
interface HandshakeSeam {
  handshake: Handshake;
  readonly conn: {
    request: IncomingMessage | undefined;
    cleanupFn?: unknown[];
    readonly _events?: { close?: unknown };
  };
}

/**
 * To be called when a connection has been admitted: lets go of the request that began it, with all its headers, and of
 * the handshake, which may hold a secret. Together they are a quarter of an idle connection's memory.
 */
export function forgetHandshake(socket: object): void {
  const seam = socket as HandshakeSeam;
  seam.handshake = FORGOTTEN;
  seam.conn.request = undefined;
  trimLists(seam.conn);
}

/** An array to which something was pushed has room for sixteen more. To these no more will come. */
function trimLists(conn: HandshakeSeam["conn"]): void {
  if (conn.cleanupFn) conn.cleanupFn = conn.cleanupFn.slice();
  const { _events: events } = conn;
  if (Array.isArray(events?.close)) events.close = events.close.slice();
}
