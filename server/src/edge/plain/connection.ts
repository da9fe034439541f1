import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { RawData, WebSocket } from "ws";
import type { Batch } from "../../classroom/batch.js";
import { endsBecause } from "../../classroom/connection-log.js";
import { isPing } from "../../classroom/pings.js";
import { plainFrames, plainFramesWithOffsets } from "../wire/event-encodings.js";
import { plainFrame } from "./frame-of-packet.js";
import type { WebSocketIntake } from "../intake/websocket-intake.js";
import { stopBeating, type Beating } from "../wire/heartbeat.js";
import { descriptorOf, writeNow } from "../wire/write-now.js";

/** RFC 6455, section 7.4.1: the conversation is over. */
const NORMAL_CLOSURE = 1000;
/** RFC 6455: the client is not admitted. */
const POLICY_VIOLATION = 1008;
/** IANA's registry of close codes, "Service Restart": come back, to this replica or another. */
const SERVICE_RESTART = 1012;
/** IANA's registry of close codes, "Try Again Later": the client reads too slowly. */
const TRY_AGAIN_LATER = 1013;

/** What one connection may leave unread before it is sent away. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;

/** As Socket.IO's encoder would write `socket.send({ type: "ping" })`. */
const PING_PACKET = '2["message",{"type":"ping"}]';

/** Looks like the transport of an Engine.IO connection, and is the same for all. */
const TRANSPORT = Object.freeze({ name: "plain", writable: true });

/**
 * A plain WebSocket in the shape of an Engine.IO connection, as far as Socket.IO's client (`socket.io/dist/client.js`)
 * uses one. Pinned by the contract tests, which run every promise over it.
 */
export class PlainConnection extends EventEmitter implements Beating {
  readonly id = randomBytes(15).toString("base64url");
  readonly protocol = 4;
  readonly transport = TRANSPORT;
  /** What it came by, until it has been admitted. */
  readonly request: IncomingMessage;
  readonly netSocket: NetSocket;
  readyState: "open" | "closing" | "closed" = "open";
  slot: Set<Beating> | undefined;
  /** Whether the client has been heard since it was last asked. */
  isAlive = true;
  readonly #socket: WebSocket;
  readonly #descriptor: number;
  readonly #wantsOffsets: boolean;
  readonly #connections: Set<PlainConnection>;
  readonly #intake: WebSocketIntake;
  /** Whether the answer to a ping of ours is still to come: it is not counted against the client. */
  #awaitsPong = false;

  /** @param connections - holds it while it lives */
  constructor(
    socket: WebSocket,
    request: IncomingMessage,
    options: {
      wantsOffsets: boolean;
      intake: WebSocketIntake;
      connections: Set<PlainConnection>;
    },
  ) {
    super();
    this.#socket = socket;
    this.#intake = options.intake;
    this.#connections = options.connections;
    this.#connections.add(this);
    this.request = request;
    this.netSocket = request.socket;
    this.#descriptor = descriptorOf(request.socket);
    this.#wantsOffsets = options.wantsOffsets;
    (socket as OwnedWebSocket)[owner] = this;
    socket.on("message", onMessage);
    socket.on("pong", onPong);
    socket.on("error", ignore);
    socket.on("close", onClose);
  }

  /** Called by Socket.IO with an encoded packet. */
  write(packet: unknown, options?: object): void {
    const frame = plainFrame(packet, options);
    switch (frame.kind) {
      case "event":
        this.#send(this.#wantsOffsets ? frame.textWithOffset : frame.text);
        break;
      case "goodbye":
        this.#close(NORMAL_CLOSURE);
        break;
      case "refused":
        this.#close(POLICY_VIOLATION);
        break;
      case "nothing":
        break;
    }
  }

  /** Writes events as ready frames, past `ws`: without compression it has handed on all that it was given before. */
  writeBatch(batch: Batch): void {
    if (!this.#canTakeMore()) return;
    const frames = batch.as(this.#wantsOffsets ? plainFramesWithOffsets : plainFrames);
    writeNow(this.netSocket, this.#descriptor, frames);
  }

  /** Called by Socket.IO, and by whoever wants the client to come back. */
  close(): void {
    this.#close(SERVICE_RESTART);
  }

  /** The WebSocket has ended. */
  onClosed(): void {
    this.readyState = "closed";
    this.#connections.delete(this);
    stopBeating(this);
    this.emit("close", "transport close");
  }

  /** Asks for a sign of life, or ends the connection that gave none since it was last asked. */
  beat(): void {
    if (!this.isAlive) {
      endsBecause(this, "ping_timeout");
      this.#socket.terminate();
      return;
    }
    this.isAlive = false;
    this.#awaitsPong = true;
    this.#socket.ping();
  }

  /** The client has answered a ping, or says that it has. */
  onPong(): void {
    this.isAlive = true;
    if (!this.#awaitsPong) return;
    this.#awaitsPong = false;
    this.#intake.giveBack();
  }

  #send(text: string): void {
    if (this.#canTakeMore()) this.#socket.send(text);
  }

  /** Sends a client that leaves too much unread away. */
  #canTakeMore(): boolean {
    if (this.readyState !== "open" || !this.netSocket.writable) return false;
    if (this.netSocket.writableLength <= MAX_BUFFERED_BYTES) return true;
    endsBecause(this, "slow_reader");
    this.#close(TRY_AGAIN_LATER);
    return false;
  }

  #close(code: number): void {
    if (this.readyState !== "open") return;
    this.readyState = "closing";
    this.#socket.close(code);
  }
}

const owner = Symbol("owner");

type OwnedWebSocket = WebSocket & { [owner]: PlainConnection };

// Functions of their own for each connection would be memory for each.

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const connection = (this as OwnedWebSocket)[owner];
  connection.isAlive = true;
  if (!isBinary && isPingFrame(data)) connection.emit("data", PING_PACKET);
}

function onPong(this: WebSocket): void {
  (this as OwnedWebSocket)[owner].onPong();
}

/** Followed by `close`. */
function ignore(): void {
  // Nothing to do.
}

function onClose(this: WebSocket): void {
  (this as OwnedWebSocket)[owner].onClosed();
}

/** Everything that is not a ping is ignored (PROTOCOL.md, section 4). */
function isPingFrame(data: RawData): boolean {
  try {
    return isPing(JSON.parse((data as Buffer).toString()));
  } catch {
    return false;
  }
}
