import { endsBecause, knownReason } from "../../classroom/connection-log.js";
import type { Client } from "../../classroom/whom.js";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { EndReason } from "../../telemetry/labels.js";
import { CLOSE_CODES } from "../wire/close-codes.js";
import { Allowance } from "./allowance.js";
import { MAX_CHUNKS, MAX_FRAGMENTS, type Intake } from "./intake.js";
import type { Waiting } from "./waiting-list.js";

/** How long who is cut has to read why, before its connection is destroyed. */
const READ_WHY_MS = 1_000;

/** By the codes of ws's errors. Its other errors are of who does not speak the protocol. */
const REFUSALS = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: "too_large",
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: "too_large",
  WS_ERR_TOO_MANY_BUFFERED_PARTS: "too_many_messages",
} as const;

type Done = (error?: Error) => void;
const intakeOf = Symbol("intake");

// Private in the types of ws (test/dependencies/private-parts.md).
interface ReceiverSeam {
  _maxPayload: number;
  _mask: Buffer | undefined;
  /** What has been read and is part of no message yet. */
  readonly _buffers: Buffer[];
  _bufferedBytes: number;
  [intakeOf]?: WebSocketIntake;
  emit(this: ReceiverSeam, event: string, ...args: unknown[]): boolean;
  startLoop(this: ReceiverSeam, done: Done): void;
}

interface WebSocketSeam {
  readonly _receiver: ReceiverSeam;
}

/**
 * Stands between a WebSocket's bytes and those who hear its messages: counts messages, pings and pongs, and stops reading
 * where they are too many, also in the middle of what has been read already. To be made before the first byte is read.
 */
export class WebSocketIntake implements Waiting {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  #client: Client;
  readonly #intake: Intake;
  readonly #allowance: Allowance;
  /** Whether nothing is taken from what has been read; and who is to be told when that is over. */
  #isHolding = false;
  #held: Done | undefined;
  #isCut = false;
  /** Whether nobody hears anything of it any more. */
  #hasEnded = false;

  /**
   * @param socket - what the WebSocket reads from
   * @param client - whose it is, as far as that is known before there is a connection
   */
  constructor(webSocket: WebSocket, socket: Duplex, intake: Intake, client: Client) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#client = client;
    this.#intake = intake;
    this.#allowance = new Allowance(intake.rate);
    const receiver = this.#receiver;
    receiver[intakeOf] = this;
    receiver.emit = emit;
    receiver.startLoop = startLoop;
  }

  /** There is a connection: whoever is refused is known by it. */
  belongsTo(client: Client): void {
    this.#client = client;
  }

  /** Ends the WebSocket, and says why where that is known. To be called before whoever ends it without a word. */
  sayWhy(): void {
    const why = knownReason(this.#client);
    if (why) this.#close(why);
  }

  /** Longer frames end the connection from now on (1009). */
  limitFrames(maxBytes: number): void {
    this.#receiver._maxPayload = maxBytes;
  }

  /** The message that has just come answered a ping of ours. */
  giveBack(): void {
    this.#allowance.giveBack();
  }

  waitsUntil(nowMs: number): number | undefined {
    if (this.#socket.destroyed) {
      this.#forget();
    } else if (this.#isCut) {
      this.#webSocket.terminate();
      this.#forget();
    } else if (this.#allowance.isReady(nowMs)) {
      this.#allowance.readOn(nowMs);
      this.#readOn();
    } else {
      return this.#allowance.readyAtMs;
    }
    return undefined;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** @internal There was an error in its turn: nothing more of it is heard. */
  drop(error: unknown): void {
    this.#isCut = true;
    this.#intake.drop(error, this);
  }

  /** @internal @returns whether the message that has come is to be heard */
  onMessage(bytes: number): boolean {
    if (this.#isCut) return false;
    switch (this.#allowance.takeMessages(1, bytes, performance.now())) {
      case "go on":
        return true;
      case "wait":
        this.#hold();
        return true;
      case "too many":
        this.#cut();
        return false;
    }
  }

  /** @internal ws closes the connection, and would read on until the client has closed it too. */
  onError({ code }: { readonly code?: string }): void {
    const refusal = REFUSALS[code as keyof typeof REFUSALS] as
      (typeof REFUSALS)[keyof typeof REFUSALS] | undefined;
    if (refusal) {
      this.#refuse(refusal, this.#limitOf(refusal));
      // As ws would, which does not say why.
      this.#close(refusal);
    }
    if (this.#isCut) return;
    this.#isCut = true;
    this.#intake.waiting.add(this, performance.now() + READ_WHY_MS);
    // ws lets it flow once more, and in one turn of the event loop megabytes of a flood would be read.
    this.#socket.push = takeNothing;
    // What has been read is not kept until the connection has gone: it would be old memory by then, which V8 lets go of late.
    this.#receiver._buffers.length = 0;
    this.#receiver._bufferedBytes = 0;
  }

  /** @internal */
  startLoop(receiver: ReceiverSeam, done: Done): void {
    if (this.#hasEnded) done();
    else if (this.#isHolding) this.#held = done;
    else prototypeOf(receiver).startLoop.call(receiver, done);
  }

  get #receiver(): ReceiverSeam {
    return (this.#webSocket as unknown as WebSocketSeam)._receiver;
  }

  #hold(): void {
    // It may be closing, and be read to its end.
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.#webSocket.pause();
    this.#intake.waiting.add(this, this.#allowance.readyAtMs);
  }

  #readOn(): void {
    this.#isHolding = false;
    const held = this.#held;
    this.#held = undefined;
    if (held) this.startLoop(this.#receiver, held);
    this.#webSocket.resume();
  }

  #cut(): void {
    this.#refuse("too_many_messages");
    this.#hold();
    this.#isCut = true;
    this.#intake.waiting.add(this, performance.now() + READ_WHY_MS);
    this.#close("too_many_messages");
    // What the client sends any more is not read, so neither would be its answer to this.
    this.#socket.end();
    this.#webSocket.emit("error", new Error("the client sends too many messages"));
  }

  #close(why: EndReason): void {
    this.#webSocket.close(CLOSE_CODES[why], why);
  }

  /** Which limit ws has found exceeded. */
  #limitOf(refusal: "too_large" | "too_many_messages"): string {
    return refusal === "too_large"
      ? `its frame is longer than ${String(this.#receiver._maxPayload)} bytes`
      : `its message came in more than ${String(MAX_FRAGMENTS)} fragments, or more than ${String(MAX_CHUNKS)} pieces`;
  }

  #refuse(code: "too_large" | "too_many_messages", why?: string): void {
    this.#intake.refuse(code, this.#client, why);
    endsBecause(this.#webSocket, code);
  }

  /** Lets the WebSocket end, without what it has not heard yet. */
  #forget(): void {
    this.#hasEnded = true;
    this.#held?.();
    this.#held = undefined;
  }
}

function prototypeOf(receiver: ReceiverSeam): ReceiverSeam {
  return Object.getPrototypeOf(receiver) as ReceiverSeam;
}

// Functions of their own for each connection would be memory for each.

function emit(this: ReceiverSeam, event: string, ...args: unknown[]): boolean {
  const intake = this[intakeOf];
  try {
    if (event === "message" || event === "ping" || event === "pong") {
      // A view of all that was read with the frame, which would be kept until the next one comes. ws 8.22 lets go of it too.
      this._mask = undefined;
      if (intake?.onMessage((args[0] as Buffer).length) === false) return false;
    }
    if (event === "error") intake?.onError(args[0] as { code?: string });
    return prototypeOf(this).emit.call(this, event, ...args);
  } catch (error) {
    if (!intake) throw error;
    intake.drop(error);
    return false;
  }
}

/** Node.js stops reading where a stream takes no more. */
function takeNothing(): false {
  return false;
}

function startLoop(this: ReceiverSeam, done: Done): void {
  const intake = this[intakeOf];
  try {
    intake?.startLoop(this, done);
  } catch (error) {
    // ws reads on in a turn of its own, too, in which nobody else would catch it.
    intake?.drop(error);
  }
}
