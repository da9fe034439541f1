import type { Socket as NetSocket } from "node:net";
import type { Batch, Lane } from "../classroom/batch.js";
import { emittedArguments, socketIoFrames, socketIoPackets } from "./encodings.js";
import { gatherWrites } from "./gather-writes.js";
import { PlainConnection } from "./plain-websocket.js";

/** A client that leaves more than this unread gets no more at once: Engine.IO keeps it until the client has read. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** A socket of Socket.IO, as far as telling it events is concerned. */
interface MemberSeam {
  readonly conn: unknown;
  listenersAnyOutgoing(): readonly unknown[];
  notifyOutgoingListeners(packet: { readonly data: readonly unknown[] }): void;
}

// Private in engine.io's types. Pinned by the tests of fan-out.
interface EngineConnectionSeam {
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly name: string;
    readonly socket?: { readonly _socket: NetSocket };
    readonly perMessageDeflate?: unknown;
  };
  once(event: "upgrade", listener: () => void): void;
  write(packet: string, options: object): void;
}

/** The way to a connection of Socket.IO, whichever engine it came by. */
export function laneTo(socket: object): Lane {
  const member = socket as MemberSeam;
  return member.conn instanceof PlainConnection
    ? new PlainLane(member, member.conn)
    : new EngineLane(member, member.conn as EngineConnectionSeam);
}

function tellListeners(member: MemberSeam, batch: Batch): void {
  if (member.listenersAnyOutgoing().length === 0) return;
  for (const data of batch.as(emittedArguments)) member.notifyOutgoingListeners({ data });
}

class PlainLane implements Lane {
  readonly #member: MemberSeam;
  readonly #connection: PlainConnection;

  constructor(member: MemberSeam, connection: PlainConnection) {
    this.#member = member;
    this.#connection = connection;
  }

  write(batch: Batch): void {
    tellListeners(this.#member, batch);
    this.#connection.writeBatch(batch);
  }

  gather(): void {
    gatherWrites(this.#connection.netSocket);
  }
}

/**
 * Writes ready frames straight to a WebSocket's own socket where nothing can be overtaken by them: the connection is
 * open, and nothing waits in Engine.IO. Else Engine.IO gets packets, and keeps their order.
 */
class EngineLane implements Lane {
  readonly #member: MemberSeam;
  readonly #connection: EngineConnectionSeam;
  #socket: NetSocket | undefined;

  constructor(member: MemberSeam, connection: EngineConnectionSeam) {
    this.#member = member;
    this.#connection = connection;
    this.#socket = rawSocket(connection);
    if (this.#socket) return;
    connection.once("upgrade", () => {
      this.#socket = rawSocket(connection);
    });
  }

  write(batch: Batch): void {
    tellListeners(this.#member, batch);
    const connection = this.#connection;
    const socket = this.#socket;
    if (
      socket?.writable &&
      socket.writableLength <= MAX_UNREAD_BYTES &&
      connection.writeBuffer.length === 0 &&
      connection.readyState === "open"
    ) {
      socket.write(batch.as(socketIoFrames));
    } else {
      for (const packet of batch.as(socketIoPackets)) connection.write(packet, {});
    }
  }

  gather(): void {
    if (this.#socket) gatherWrites(this.#socket);
  }
}

/** The socket below a WebSocket that does not compress, which would hold frames back. */
function rawSocket({ transport }: EngineConnectionSeam): NetSocket | undefined {
  const { name, socket, perMessageDeflate } = transport;
  return name === "websocket" && !perMessageDeflate ? socket?._socket : undefined;
}
