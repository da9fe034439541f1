import type { ServerResponse } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { WebSocket } from "ws";
import { endsBecause } from "../../classroom/connection-log.js";
import type { Client } from "../../classroom/whom.js";
import { guard, type Drop } from "../guard.js";
import { unreadBytes, WRITE_BYTES, type UnreadRule } from "../wire/unread.js";

// The seams are private parts, listed with the tests that pin them in test/dependencies/private-parts.md.

/** What the packets in a connection's `writeBuffer` take. Means nothing where that is empty. */
const waitingBytes = Symbol("waitingBytes");
/** Whose a transport is, for the log. On its WebSocket where it has one, which is all that is at hand where pings come. */
const owner = Symbol("owner");
/** The last answer to a poll. Its socket is not the connection's: behind a proxy others use it too, when it has been read. */
const lastAnswer = Symbol("lastAnswer");

interface Owned {
  [owner]?: Client;
}
type WebSocketSeam = WebSocket & Owned & { readonly _socket: NetSocket };
type SendPacket = (type: string, data?: unknown, options?: object, callback?: () => void) => void;

/** A connection of Engine.IO, as far as what waits for it is concerned. */
export interface WaitingConnection extends Client {
  readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: WaitingTransport;
  sendPacket: SendPacket;
  /** Ends it as one that reads too slowly. */
  cut(): void;
  close(discard: boolean): void;
  [waitingBytes]?: number;
}

/** A transport of Engine.IO: a WebSocket, or long polling. */
export interface WaitingTransport extends Owned {
  readonly name: string;
  readonly socket?: WebSocketSeam;
  /** Of long polling: the answer that a poll waits for. */
  readonly res?: ServerResponse | null;
  /** Of long polling: answers the poll. */
  write?: (data: unknown, options: unknown) => void;
  onError(message: string): void;
  [lastAnswer]?: ServerResponse;
}

/**
 * Limits what waits for a connection of Engine.IO, which by itself keeps anything for as long as it may take: packets in
 * its buffer, what the socket below has not been able to send, answers to pings of a WebSocket, and answers to polls.
 * Looked at when it grows. Whoever goes over it is cut, and lets go of all that was kept in the same turn.
 */
export class UnreadLimit {
  readonly #rule: UnreadRule;
  readonly #drop: Drop;
  // One of each for all connections: a function for each would be memory for each.
  readonly #sendPacket: (this: WaitingConnection, ...args: Parameters<SendPacket>) => void;
  readonly #cutThis: (this: WaitingConnection) => void;
  readonly #answerPoll: (this: WaitingTransport, data: unknown, options: unknown) => void;
  readonly #onPing: (this: WebSocket) => void;

  /** @param drop - ends one in whose end there was an error */
  constructor(rule: UnreadRule, drop: Drop) {
    this.#rule = rule;
    this.#drop = drop;
    const { maxUnreadBytes } = rule;
    const cut = this.#cut.bind(this);
    const tell = this.#tell.bind(this);
    this.#sendPacket = function (type, data, options, callback) {
      if (this.readyState !== "open") return;
      const size = WRITE_BYTES + bytesOf(data);
      const inBuffer = this.writeBuffer.length === 0 ? 0 : (this[waitingBytes] ?? 0);
      const unread = inBuffer + bytesBelow(this.transport);
      // What is alone has to go out, however long it is.
      if (unread > 0 && unread + size > maxUnreadBytes) {
        cut(this);
        return;
      }
      this[waitingBytes] = inBuffer + size;
      (Object.getPrototypeOf(this) as WaitingConnection).sendPacket.call(
        this,
        type,
        data,
        options,
        callback,
      );
    };
    this.#cutThis = function () {
      cut(this);
    };
    this.#answerPoll = function (data, options) {
      const unread = unreadSocket(this);
      if (unread) {
        // It polls again, by another socket, and has not read the answer to its last poll.
        tell(this, this[owner]);
        unread.destroy();
        const end = () => {
          this.onError("the answer to a poll was not read");
        };
        process.nextTick(guard(drop, () => unread, end));
      }
      if (this.res) this[lastAnswer] = this.res;
      (Object.getPrototypeOf(this) as WaitingTransport).write?.call(this, data, options);
    };
    this.#onPing = function () {
      // `ws` has written the answer.
      const { _socket: socket, [owner]: client } = this as WebSocketSeam;
      if (unreadBytes(socket) <= maxUnreadBytes) return;
      tell(this, client);
      this.terminate();
    };
  }

  /**
   * To be called with each transport before it is used.
   *
   * @param client - whose it is, as far as that is known before there is a connection
   */
  watchTransport(transport: WaitingTransport, client: Client): void {
    (transport.socket ?? transport)[owner] = client;
    if (transport.name === "polling") transport.write = this.#answerPoll;
    else transport.socket?.on("ping", this.#onPing);
  }

  /** To be called with each connection once it is open. */
  watch(connection: WaitingConnection): void {
    const { transport } = connection;
    (transport.socket ?? transport)[owner] = connection;
    connection.sendPacket = this.#sendPacket;
    connection.cut = this.#cutThis;
  }

  #cut(connection: WaitingConnection): void {
    const { readyState, transport } = connection;
    if (readyState !== "open") return;
    // Takes nothing more. Whoever was writing to it need not expect that it ends under its hands.
    connection.readyState = "closing";
    this.#tell(connection, connection);
    const destroy = () => {
      transport.socket?.terminate();
      unreadSocket(transport)?.destroy();
    };
    const end = () => {
      connection.close(true);
      destroy();
    };
    process.nextTick(guard(this.#drop, () => ({ destroy }), end));
  }

  /** @param part - of a connection, or all of it */
  #tell(part: object, client: Client = {}): void {
    endsBecause(part, "slow_reader");
    this.#rule.onSlowReader(client);
  }
}

/** What waits in the socket below a transport. */
function bytesBelow(transport: WaitingTransport): number {
  const socket = transport.socket?._socket ?? unreadSocket(transport);
  return socket ? unreadBytes(socket) : 0;
}

/** Of long polling, the socket with an answer that has not been read. */
function unreadSocket(transport: WaitingTransport): NetSocket | undefined {
  // Without a socket it has been read, or is gone.
  const socket = transport[lastAnswer]?.socket;
  return socket && socket.writableLength > 0 && !socket.destroyed ? socket : undefined;
}

function bytesOf(data: unknown): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  return ArrayBuffer.isView(data) ? data.byteLength : 0;
}
