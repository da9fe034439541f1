import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { BEGINNINGS, eventNumber } from "./event-number.js";
import { clientFrame, FrameReader, OPCODE } from "./frame-reader.js";
import type { Sequence } from "./sequence.js";

/** What a client speaks. The floor sends Socket.IO's frames over a bare WebSocket. */
export type Dialect = "ours" | "ours-plain" | "stock" | "floor";

export interface Target {
  readonly dialect: Dialect;
  readonly port: number;
  /** Path and query of the handshake. */
  readonly path: string;
}

export interface ConnectionListener {
  /** The client is a member of its room: it must get everything from now on. */
  onJoined(): void;
  /** A counted event, which the client's sequence has already been told of. */
  onEvent(number: number): void;
  /** The connection ended or spoke out of turn, which no server under test may do. */
  onFault(reason: string): void;
}

const HEAD_END = "\r\n\r\n";
const SWITCHING_PROTOCOLS = "HTTP/1.1 101 ";

const HELLO = clientFrame(OPCODE.text, Buffer.from("40"));
const ENGINE_PONG = clientFrame(OPCODE.text, Buffer.from("3"));

/** What says that a client is a member, at the beginning of a text frame. The floor does not say it. */
const JOINED: Record<Dialect, string | undefined> = {
  ours: '42["connected",',
  "ours-plain": '{"event":"connected",',
  stock: '40{"sid":',
  floor: undefined,
};

// All connections read into it, one after the other: what is not read to its end is copied.
const sharedBuffer = Buffer.allocUnsafe(64 * 1024);

/**
 * One client, by hand: the stock clients would cost several times what the server does, and so measure themselves. A
 * socket without a stream behind it reads into one shared buffer, and nothing is parsed but a number.
 */
export class Connection {
  readonly sequence: Sequence;
  readonly #socket: Socket;
  readonly #dialect: Dialect;
  readonly #listener: ConnectionListener;
  readonly #reader = new FrameReader();
  /** The answer to the handshake, until it is whole. */
  #head: string | undefined = "";
  #isJoined = false;
  #isClosed = false;

  constructor(target: Target, sequence: Sequence, listener: ConnectionListener) {
    this.sequence = sequence;
    this.#dialect = target.dialect;
    this.#listener = listener;
    this.#socket = connect({
      host: "127.0.0.1",
      port: target.port,
      onread: {
        buffer: sharedBuffer,
        callback: (length) => {
          this.#receive(sharedBuffer.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => {
      this.#fault(error.message);
    });
    this.#socket.on("close", () => {
      this.#fault("the connection ended");
    });
    this.#socket.setNoDelay(true);
    this.#socket.write(handshake(target));
  }

  /** Leaves what comes to the kernel, until {@link Connection.readOn}. */
  pause(): void {
    this.#socket.pause();
  }

  readOn(): void {
    this.#socket.resume();
  }

  /** Ends it at once, by a reset: ten thousand orderly ends would leave their ports in TIME_WAIT. */
  close(): void {
    this.#isClosed = true;
    this.#socket.resetAndDestroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    try {
      const frames = this.#head === undefined ? chunk : this.#readHead(chunk);
      if (frames.length > 0) this.#reader.read(frames, this.#onFrame);
    } catch (error) {
      this.#fault(error instanceof Error ? error.message : String(error));
    }
  }

  /** Returns what follows the head, which is nothing until that is whole. */
  #readHead(chunk: Buffer): Buffer {
    const text = (this.#head ?? "") + chunk.toString("latin1");
    const end = text.indexOf(HEAD_END);
    this.#head = end < 0 ? text : undefined;
    if (end < 0) return Buffer.alloc(0);
    if (!text.startsWith(SWITCHING_PROTOCOLS)) throw new Error(text.slice(0, text.indexOf("\r")));
    if (this.#dialect === "floor") this.#join();
    return Buffer.from(text.slice(end + HEAD_END.length), "latin1");
  }

  readonly #onFrame = (opcode: number, data: Buffer, start: number, end: number): void => {
    switch (opcode) {
      case OPCODE.text:
        this.#onText(data, start, end);
        return;
      case OPCODE.ping:
        this.#socket.write(clientFrame(OPCODE.pong, data.subarray(start, end)));
        return;
      default:
        throw new Error(`the server sent a frame with the opcode ${opcode}`);
    }
  };

  #onText(data: Buffer, start: number, end: number): void {
    const known = this.#dialect === "ours-plain" ? BEGINNINGS.plain : BEGINNINGS["socket.io"];
    const number = eventNumber(known, data, start, end);
    if (number !== undefined) {
      if (!this.#isJoined)
        throw new Error("an event came before the client was told that it is in");
      this.sequence.receive(number);
      this.#listener.onEvent(number);
      return;
    }
    const text = data.toString("latin1", start, end);
    if (this.#dialect !== "ours-plain") this.#answerEngine(text);
    const joined = JOINED[this.#dialect];
    if (!this.#isJoined && joined !== undefined && text.startsWith(joined)) this.#join();
  }

  #answerEngine(text: string): void {
    if (text === "2") this.#socket.write(ENGINE_PONG);
    else if (text.startsWith("0")) this.#socket.write(HELLO);
    else if (/^(1|41|44)/.test(text)) throw new Error(`the server sent ${text}`);
  }

  #join(): void {
    this.#isJoined = true;
    this.#listener.onJoined();
  }

  #fault(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#listener.onFault(reason);
  }
}

/** As Chromium 140 sends it: a server that keeps the headers shows it. */
function handshake({ path, port }: Target): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Upgrade: websocket",
    `Origin: http://127.0.0.1:${port}`,
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  ];
  return `${lines.join("\r\n")}${HEAD_END}`;
}
