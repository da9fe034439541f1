import type { WebSocket } from "ws";
import type { WriteEvents } from "../classroom/fan-out.js";
import { EventBatch } from "./event-batch.js";
import { PlainConnection } from "./plain-websocket.js";
import { writeFrames } from "./ready-frames.js";

/** A socket of Socket.IO, as far as writing to it is concerned. */
interface MemberSeam {
  readonly conn: unknown;
  listenersAnyOutgoing(): readonly unknown[];
  notifyOutgoingListeners(packet: { readonly data: readonly unknown[] }): void;
}

// Private in the types of engine.io and socket.io. Pinned by the tests of fan-out.
interface EngineConnectionSeam {
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly name: string;
    readonly socket?: WebSocket;
    readonly perMessageDeflate?: unknown;
  };
  write(packet: string, options: object): void;
}

const WEBSOCKET_OPEN = 1;
/** A client that leaves more than this unread gets no more at once: Engine.IO keeps it until the client has read. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** Writes events to connections: ready frames wherever nothing could be overtaken by them. */
export const writeEvents: WriteEvents = (connections, events) => {
  const batch = new EventBatch(events);
  for (const socket of connections) {
    const member = socket as unknown as MemberSeam;
    if (member.listenersAnyOutgoing().length > 0) {
      for (const packet of batch.emitted) member.notifyOutgoingListeners(packet);
    }
    if (member.conn instanceof PlainConnection) member.conn.writeBatch(batch);
    else writeToEngineIo(member.conn as EngineConnectionSeam, batch);
  }
};

function writeToEngineIo(connection: EngineConnectionSeam, batch: EventBatch): void {
  const socket = readySocket(connection);
  if (socket) writeFrames(socket, batch.socketIoFrames);
  else for (const packet of batch.packets) connection.write(packet, {});
}

/**
 * The WebSocket of a connection to which frames can be written past Engine.IO: nothing waits in Engine.IO, and what it
 * has sent before is with the socket already, because there is no compression that would hold it back.
 */
function readySocket(connection: EngineConnectionSeam): WebSocket | undefined {
  const { readyState, writeBuffer, transport } = connection;
  const { name, socket, perMessageDeflate } = transport;
  const isReady =
    readyState === "open" &&
    name === "websocket" &&
    writeBuffer.length === 0 &&
    !perMessageDeflate &&
    socket?.readyState === WEBSOCKET_OPEN &&
    socket.bufferedAmount <= MAX_UNREAD_BYTES;
  return isReady ? socket : undefined;
}
