import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { RawData, WebSocket } from "ws";
import type { Batch } from "../../classroom/batch.js";
import { endsBecause, knownReason } from "../../classroom/connection-log.js";
import { isPing } from "../../classroom/pings.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { CLOSE_CODES, closeWordOf, type CloseWord } from "../wire/close-codes.js";
import { closeInTime } from "../wire/closing.js";
import { plainFrames, plainFramesWithOffsets } from "../wire/event-encodings.js";
import { frameOf } from "../wire/frame-of-packet.js";
import type { WebSocketIntake } from "../intake/websocket-intake.js";
import { stopBeating, type Beating } from "../wire/heartbeat.js";
import { hasRoomFor, type UnreadRule } from "../wire/unread.js";
import { descriptorOf, writeNow } from "../wire/write-now.js";

/** What a client that reads too slowly has to read that, before its connection is gone and its memory free. */
const SLOW_CLOSE_TIMEOUT_MS = 2_000;

/** As Socket.IO's encoder would write `socket.send({ type: "ping" })`. */
const PING_PACKET = '2["message",{"type":"ping"}]';

/** What all plain connections of a server share. */
export interface PlainHome extends UnreadRule {
  readonly addresses: Pick<ClientAddresses, "of">;
  /** Holds each while it lives. */
  readonly connections: Set<PlainConnection>;
}

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
  /** Its client's. Socket.IO calls it so. */
  readonly remoteAddress: string | undefined;
  readyState: "open" | "closed" = "open";
  slot: Set<Beating> | undefined;
  /** Whether the client has been heard since it was last asked. */
  isAlive = true;
  readonly #socket: WebSocket;
  readonly #descriptor: number;
  readonly #wantsOffsets: boolean;
  readonly #home: PlainHome;
  readonly #intake: WebSocketIntake;
  /** Whether the answer to a ping of ours is still to come: it is not counted against the client. */
  #awaitsPong = false;

  constructor(
    socket: WebSocket,
    request: IncomingMessage,
    { wantsOffsets, intake }: { wantsOffsets: boolean; intake: WebSocketIntake },
    home: PlainHome,
  ) {
    super();
    this.#socket = socket;
    this.#intake = intake;
    this.#home = home;
    home.connections.add(this);
    this.request = request;
    this.netSocket = request.socket;
    this.remoteAddress = home.addresses.of(request);
    intake.belongsTo(this);
    this.#descriptor = descriptorOf(request.socket);
    this.#wantsOffsets = wantsOffsets;
    (socket as OwnedWebSocket)[owner] = this;
    socket.on("message", onMessage);
    socket.on("pong", onPong);
    socket.on("error", ignore);
    socket.on("close", onClose);
  }

  /** Called by Socket.IO with an encoded packet. */
  write(packet: unknown, options?: object): void {
    const frame = frameOf(packet, options);
    switch (frame.kind) {
      case "event":
        this.#send(this.#wantsOffsets ? frame.textWithOffset : frame.text);
        break;
      case "goodbye":
        endsBecause(this, "session_ended");
        this.#close("session_ended");
        break;
      case "refused":
        this.#close(closeWordOf(frame.code));
        break;
      case "nothing":
        break;
    }
  }

  /** Writes events as ready frames, past `ws`: without compression it has handed on all that it was given before. */
  writeBatch(batch: Batch): void {
    const frames = batch.as(this.#wantsOffsets ? plainFramesWithOffsets : plainFrames);
    if (!this.#canTake(frames.length)) return;
    const { tally } = batch;
    tally.plain += batch.events.length;
    tally.bytes += frames.length;
    writeNow(this.netSocket, this.#descriptor, frames);
  }

  /** Called by Socket.IO, and by whoever wants the client to come back. */
  close(): void {
    this.#close(knownReason(this) ?? "unavailable");
  }

  /** The client is to come back with a fresh token. */
  expire(): void {
    this.#close("token_expired");
  }

  /** The client under its WebSocket, by which whoever reads from it knows the connection. */
  get webSocket(): object {
    return this.#socket;
  }

  /** The WebSocket has ended, or is about to: nothing more is told to the client. */
  onClosed(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.#home.connections.delete(this);
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
    if (!this.#canTake(0)) return;
    this.#awaitsPong = true;
    this.#socket.ping();
  }

  /** Sends a client away that reads too slowly: it comes back, and resumes. */
  cut(): void {
    if (this.readyState !== "open") return;
    endsBecause(this, "slow_reader");
    this.#home.onSlowReader(this);
    this.#close("slow_reader");
    setTimeout(() => {
      this.#socket.terminate();
    }, SLOW_CLOSE_TIMEOUT_MS).unref();
  }

  /** The client has answered a ping, or says that it has. */
  onPong(): void {
    this.isAlive = true;
    if (!this.#awaitsPong) return;
    this.#awaitsPong = false;
    this.#intake.giveBack();
  }

  #send(text: string): void {
    if (this.#canTake(Buffer.byteLength(text))) this.#socket.send(text);
  }

  /** Whether so many bytes more may wait for the client. Where not, it is cut. */
  #canTake(bytes: number): boolean {
    if (this.readyState !== "open" || !this.netSocket.writable) return false;
    if (hasRoomFor(this.netSocket, bytes, this.#home)) return true;
    this.cut();
    return false;
  }

  #close(why: CloseWord): void {
    if (this.readyState !== "open") return;
    closeInTime(this.#socket, CLOSE_CODES[why], why);
    // Not when the client has answered: what it holds here ends now, and is logged with what it has been told until now.
    this.onClosed();
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
