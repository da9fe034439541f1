import type { Socket as NetSocket } from "node:net";
import { FEW_BYTES } from "../wire/unread.js";

// Private in engine.io's types. Pinned by the tests of engine.io's private parts.
export interface EngineConnectionSeam {
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly name: string;
    readonly socket?: { readonly _socket: NetSocket };
    readonly perMessageDeflate?: unknown;
  };
}

/** The socket below a WebSocket that does not compress, which would hold frames back. */
export function rawSocket({ transport }: EngineConnectionSeam): NetSocket | undefined {
  const { name, socket, perMessageDeflate } = transport;
  return name === "websocket" && !perMessageDeflate ? socket?._socket : undefined;
}

/**
 * Whether ready frames can be written to a connection's own socket without overtaking anything: the connection is open,
 * and nothing waits in Engine.IO. Of what waits in the socket it is few: more is left to Engine.IO, and to its limit.
 */
export function isClear(connection: EngineConnectionSeam, socket: NetSocket): boolean {
  return (
    socket.writable &&
    socket.writableLength <= FEW_BYTES &&
    connection.writeBuffer.length === 0 &&
    connection.readyState === "open"
  );
}
