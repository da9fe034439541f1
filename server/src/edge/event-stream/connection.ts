import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Batch } from "../../classroom/batch.js";
import { endsBecause, knownReason } from "../../classroom/connection-log.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { goingAway } from "../http/closing.js";
import { HttpProblem } from "../http/problems.js";
import { endInTime } from "../wire/closing.js";
import { eventStreamText } from "../wire/event-encodings.js";
import { frameOf } from "../wire/frame-of-packet.js";
import { stopBeating, type Beating } from "../wire/heartbeat.js";
import { hasRoomFor, type UnreadRule } from "../wire/unread.js";
import { descriptorOf, writeNow } from "../wire/write-now.js";
import type { StreamAnswer } from "./answer.js";

/** A comment: it proves to proxies that the stream lives, and to us that somebody takes what is written. */
const HEARTBEAT = Buffer.from(":\n\n");

/** When a client comes back by itself, in ms: a class that has lost its replica does not come at once. */
const MIN_RETRY_MS = 500;
const RETRY_SPREAD_MS = 2_000;

/** What all streams of a server share. */
export interface EventStreamHome extends UnreadRule {
  readonly addresses: Pick<ClientAddresses, "of">;
  /** How long a peer may say nothing before the kernel asks it, in ms. */
  readonly keepAliveMs: number;
  /** Holds each while it lives. */
  readonly connections: Set<EventStreamConnection>;
}

/** Looks like the transport of an Engine.IO connection, and is the same for all. */
const TRANSPORT = Object.freeze({ name: "event-stream", writable: true });

/**
 * The stream of an EventSource in the shape of an Engine.IO connection, as far as Socket.IO's client
 * (`socket.io/dist/client.js`) uses one. Its client is answered when it has been admitted, and not before: only then is
 * it known what.
 */
export class EventStreamConnection extends EventEmitter implements Beating {
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
  readonly #descriptor: number;
  readonly #home: EventStreamHome;
  /** Until the client has been answered. */
  #answer: StreamAnswer | undefined;
  /** Bytes that had been taken at the last beat, where some waited: -1 where none did. */
  #takenAtBeat = -1;

  constructor(request: IncomingMessage, answer: StreamAnswer, home: EventStreamHome) {
    super();
    this.request = request;
    this.netSocket = request.socket;
    this.remoteAddress = home.addresses.of(request);
    this.#answer = answer;
    this.#home = home;
    this.#descriptor = descriptorOf(this.netSocket);
    home.connections.add(this);
    (this.netSocket as OwnedSocket)[owner] = this;
    this.netSocket.on("end", onEnd);
    this.netSocket.on("close", onClose);
  }

  /** Called by Socket.IO with an encoded packet. */
  write(packet: unknown, options?: object): void {
    const frame = frameOf(packet, options);
    switch (frame.kind) {
      case "event":
        this.#send(Buffer.from(frame.streamed));
        break;
      case "goodbye":
        endsBecause(this, "session_ended");
        this.close();
        break;
      case "refused":
        this.#end(new HttpProblem(403, "forbidden", "this client may not come in"));
        break;
      case "nothing":
        break;
    }
  }

  /** Writes events, past Node's HTTP: the answer has no length, and goes on until the connection ends. */
  writeBatch(batch: Batch): void {
    const text = batch.as(eventStreamText);
    if (!this.#canTake(text.length)) return;
    const { tally } = batch;
    tally["event-stream"] += batch.events.length;
    tally.bytes += text.length;
    if (this.#answer) this.#begin(this.#answer);
    writeNow(this.netSocket, this.#descriptor, text);
  }

  /** Called by Socket.IO, and by whoever wants the client to come back. */
  close(): void {
    this.#end(knownReason(this) === "draining" ? goingAway() : unavailable());
  }

  /** The client has heard the end of the session, and is told to stay away, as it can be before its stream begins. */
  stayAway(): void {
    if (this.readyState !== "open") return;
    this.#answer?.stayAway();
    this.onClosed();
  }

  /** The connection has ended, or is about to: nothing more is told to the client. */
  onClosed(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.#home.connections.delete(this);
    stopBeating(this);
    this.emit("close", "transport close");
  }

  /**
   * Writes a comment, or ends a stream whose client has taken nothing of what waits since the last one. One that is gone
   * without a word is found by the kernel: by what is not confirmed, or by asking it where nothing is told.
   */
  beat(): void {
    if (this.#answer) return;
    const { writableLength, bytesWritten } = this.netSocket;
    const taken = writableLength === 0 ? -1 : bytesWritten - writableLength;
    if (taken >= 0 && taken === this.#takenAtBeat) {
      endsBecause(this, "ping_timeout");
      this.netSocket.destroy();
      return;
    }
    this.#takenAtBeat = taken;
    this.#send(HEARTBEAT);
  }

  /** Ends the stream of a client that reads too slowly, with all that waits for it: it comes back, and resumes. */
  cut(): void {
    if (this.readyState !== "open") return;
    endsBecause(this, "slow_reader");
    this.#home.onSlowReader(this);
    this.netSocket.destroy();
    this.onClosed();
  }

  #send(text: Buffer): void {
    if (!this.#canTake(text.length)) return;
    if (this.#answer) this.#begin(this.#answer);
    this.netSocket.write(text);
  }

  #begin(answer: StreamAnswer): void {
    this.#answer = undefined;
    this.netSocket.setKeepAlive(true, this.#home.keepAliveMs);
    answer.begin();
    const retryMs = MIN_RETRY_MS + Math.floor(Math.random() * RETRY_SPREAD_MS);
    this.netSocket.write(`retry: ${String(retryMs)}\n\n`);
  }

  /** Whether so many bytes more may wait for the client. Where not, it is cut. */
  #canTake(bytes: number): boolean {
    if (this.readyState !== "open" || !this.netSocket.writable) return false;
    if (hasRoomFor(this.netSocket, bytes, this.#home)) return true;
    this.cut();
    return false;
  }

  /** @param problem - what the client is told where its stream has not begun */
  #end(problem: HttpProblem): void {
    if (this.readyState !== "open") return;
    if (this.#answer) this.#answer.refuse(problem);
    else endInTime(this.netSocket);
    this.onClosed();
  }
}

function unavailable(): HttpProblem {
  const detail = "this replica cannot let you in just now: come back, to any replica";
  return new HttpProblem(503, "unavailable", detail, { headers: { "retry-after": "1" } });
}

const owner = Symbol("owner");

type OwnedSocket = NetSocket & { [owner]: EventStreamConnection };

// Functions of their own for each connection would be memory for each.

/** The client has closed its side, which no EventSource does before it goes. */
function onEnd(this: NetSocket): void {
  (this as OwnedSocket)[owner].onClosed();
  endInTime(this);
}

function onClose(this: NetSocket): void {
  (this as OwnedSocket)[owner].onClosed();
}
