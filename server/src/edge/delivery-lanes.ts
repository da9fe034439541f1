import type { Socket as NetSocket } from "node:net";
import type { Drop } from "./guard.js";
import type { Batch, Lane } from "../classroom/batch.js";
import {
  emittedArguments,
  socketIoBytes,
  socketIoFrames,
  socketIoPackets,
} from "./wire/event-encodings.js";
import { isClear, rawSocket, type EngineConnectionSeam } from "./engine-io/connection.js";
import { gatherWrites } from "./wire/gather-writes.js";
import { EventStreamConnection } from "./event-stream/connection.js";
import { PlainConnection } from "./plain/connection.js";
import { descriptorOf, writeNow } from "./wire/write-now.js";

/** A socket of Socket.IO, as far as telling it events is concerned. */
interface MemberSeam {
  readonly conn: unknown;
  listenersAnyOutgoing(): readonly unknown[];
  notifyOutgoingListeners(packet: { readonly data: readonly unknown[] }): void;
}

interface EngineConnection extends EngineConnectionSeam {
  once(event: "upgrade" | "drain", listener: () => void): void;
  write(packet: string, options: object): void;
  close(discard: boolean): void;
  cut(): void;
}

/**
 * Makes the way to a connection of Socket.IO, whichever engine it came by.
 *
 * @param drop - ends a connection that could not be written to for an error that nobody expected: nobody else of its room
 *   misses anything
 */
export function lanes(drop: Drop): (socket: object) => Lane {
  return (socket) => {
    const member = socket as MemberSeam;
    return isOurs(member.conn)
      ? new DirectLane(member, member.conn, drop)
      : new EngineLane(member, member.conn as EngineConnection, drop);
  };
}

/** A connection of an engine of ours, which writes straight to its socket. */
type OurConnection = PlainConnection | EventStreamConnection;

function isOurs(connection: unknown): connection is OurConnection {
  return connection instanceof PlainConnection || connection instanceof EventStreamConnection;
}

function tellListeners(member: MemberSeam, batch: Batch): void {
  if (member.listenersAnyOutgoing().length === 0) return;
  for (const data of batch.as(emittedArguments)) member.notifyOutgoingListeners({ data });
}

class DirectLane implements Lane {
  readonly #member: MemberSeam;
  readonly #connection: OurConnection;
  readonly #drop: Drop;

  constructor(member: MemberSeam, connection: OurConnection, drop: Drop) {
    this.#member = member;
    this.#connection = connection;
    this.#drop = drop;
  }

  write(batch: Batch): void {
    try {
      tellListeners(this.#member, batch);
      this.#connection.writeBatch(batch);
    } catch (error) {
      this.drop(error);
    }
  }

  gather(): void {
    gatherWrites(this.#connection.netSocket);
  }

  get isRead(): boolean {
    return !this.#connection.netSocket.writableNeedDrain;
  }

  onceRead(listener: () => void): void {
    this.#connection.netSocket.once("drain", listener);
  }

  cut(): void {
    this.#connection.cut();
  }

  drop(error: unknown): void {
    this.#drop(error, this.#connection.netSocket);
  }
}

/** Writes ready frames straight to a WebSocket's own socket, or gives packets to Engine.IO, which keeps their order. */
class EngineLane implements Lane {
  readonly #member: MemberSeam;
  readonly #connection: EngineConnection;
  readonly #drop: Drop;
  #socket: NetSocket | undefined;
  #descriptor = -1;

  constructor(member: MemberSeam, connection: EngineConnection, drop: Drop) {
    this.#member = member;
    this.#connection = connection;
    this.#drop = drop;
    this.#findSocket();
    if (this.#socket) return;
    connection.once("upgrade", () => {
      this.#findSocket();
    });
  }

  write(batch: Batch): void {
    try {
      this.#write(batch);
    } catch (error) {
      this.drop(error);
    }
  }

  #write(batch: Batch): void {
    tellListeners(this.#member, batch);
    const connection = this.#connection;
    const socket = this.#socket;
    const { tally } = batch;
    if (socket) tally.websocket += batch.events.length;
    else tally.polling += batch.events.length;
    if (socket && isClear(connection, socket)) {
      const frames = batch.as(socketIoFrames);
      tally.bytes += frames.length;
      writeNow(socket, this.#descriptor, frames);
    } else {
      tally.bytes += batch.as(socketIoBytes);
      for (const packet of batch.as(socketIoPackets)) connection.write(packet, {});
    }
  }

  gather(): void {
    if (this.#socket) gatherWrites(this.#socket);
  }

  get isRead(): boolean {
    return this.#connection.writeBuffer.length === 0 && this.#socket?.writableNeedDrain !== true;
  }

  onceRead(listener: () => void): void {
    // Engine.IO hands over all that waits when it can: to its WebSocket, or as the answer to a poll.
    if (this.#connection.writeBuffer.length > 0) this.#connection.once("drain", listener);
    else this.#socket?.once("drain", listener);
  }

  cut(): void {
    this.#connection.cut();
  }

  drop(error: unknown): void {
    const destroy = () => {
      this.#connection.close(true);
    };
    this.#drop(error, { destroy });
  }

  #findSocket(): void {
    this.#socket = rawSocket(this.#connection);
    if (this.#socket) this.#descriptor = descriptorOf(this.#socket);
  }
}
