import { once } from "node:events";
import { connect, type Socket } from "node:net";

const FINAL = 0x80;
const MASKED = 0x80;

/** From so many bytes on a frame's length has two bytes of its own. */
const LONG = 126;

/** A client's frame (RFC 6455, section 5.2) with less than 64 KiB, under a mask of zeros. */
export function frame(
  opcode: number,
  payload: string | Buffer,
  { isFinal = true }: { isFinal?: boolean } = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const first = (isFinal ? FINAL : 0) | opcode;
  const { length } = bytes;
  const lengths = length < LONG ? [length] : [LONG, length >> 8, length & 0xff];
  const [short = 0, ...rest] = lengths;
  return Buffer.concat([Buffer.from([first, MASKED | short, ...rest, 0, 0, 0, 0]), bytes]);
}

/** Opcodes of frames. */
export const OPCODES = { continuation: 0x0, text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** A text frame of a client. */
export function textFrame(text: string): Buffer {
  return frame(0x1, text);
}

/** A close frame with code 1000. */
export const CLOSE_FRAME = frame(0x8, Buffer.from([0x03, 0xe8]));
/** A frame with an opcode that there is not. */
export const INVALID_FRAME = frame(0x3, "");

/** The head of a request, as bytes. */
export function requestHead(method: string, path: string, headers: readonly string[]): string {
  return [`${method} ${path} HTTP/1.1`, "Host: test", ...headers, "", ""].join("\r\n");
}

/** A request that asks to become a WebSocket. */
export function upgradeHead(path: string): string {
  return requestHead("GET", path, [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ]);
}

/** A bare connection: what is sent in one call goes out in one segment. */
export class RawBytes {
  readonly socket: Socket;
  #received = "";

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
    });
  }

  /** @param allowHalfOpen - to leave its side open when the server has ended, as a hostile client does */
  static async open(url: string, { allowHalfOpen = false } = {}): Promise<RawBytes> {
    const { hostname, port } = new URL(url);
    const to = { host: hostname, port: Number(port) };
    const socket = connect({ ...to, noDelay: true, allowHalfOpen });
    const raw = new RawBytes(socket);
    await once(socket, "connect");
    return raw;
  }

  /** All that has come so far. */
  get received(): string {
    return this.#received;
  }

  send(...parts: readonly (string | Buffer)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Resolves with what has come once it has `text` so many times; rejects when the connection ends before. */
  async until(text: string, times = 1): Promise<string> {
    while (this.#received.split(text).length <= times) {
      if (this.#hasEnded) throw new Error(`ended before "${text}", after: ${this.#received}`);
      await this.#next("data", "end", "close");
    }
    return this.#received;
  }

  /** Resolves when the server has ended the connection. */
  async ended(): Promise<void> {
    // An error is an end too.
    if (!this.#hasEnded) await this.#next("end", "close").catch(() => undefined);
  }

  get #hasEnded(): boolean {
    return this.socket.readableEnded || this.socket.closed;
  }

  /** Resolves with the next event of one of these kinds. */
  async #next(...events: readonly string[]): Promise<void> {
    const others = new AbortController();
    const heard = events.map((event) => once(this.socket, event, { signal: others.signal }));
    await Promise.race(heard);
    others.abort();
    await Promise.allSettled(heard);
  }
}
