import { connect, type Socket } from "node:net";
import { frame, OPCODES, textFrame, upgradeHead } from "../../helpers/clients/raw-bytes.js";
import { type Frame, FrameSplitter } from "./frame-splitter.js";

/** How a student connects, and how one that does not read behaves otherwise. */
export type ReaderKind = "websocket" | "plain" | "polling";

const COME_BACK_MS = 100;
const END_OF_HEAD = "\r\n\r\n";
const SWITCHING = "HTTP/1.1 101";
/** Of Engine.IO and of Socket.IO, as they come over the wire. */
const ENGINE_OPEN = 0x30;
const ENGINE_PING = 0x32;
const SOCKET_EVENT = 0x32;
const [ZERO, DASH, QUOTE] = [0x30, 0x2d, 0x22];
/** What is read is looked at before anything else is read: one serves all. */
const READ_BUFFER = Buffer.alloc(256 * 1024);

/** A student who counts what it hears by its offsets, and comes back from the last one whenever its connection ends. */
export class Reader {
  /** Of the newest event. */
  n = 0;
  /** Events that came out of their order: one was left out, or came twice. */
  faults = 0;
  /** Connections that ended. */
  drops = 0;
  /** When it was told `connected` for the first time. */
  connectedAt = 0;
  newestAt = 0;
  /** The longest time between two things that it heard, or between its beginning and the first one. */
  longestWaitMs = 0;
  readonly #url: string;
  readonly #session: string;
  readonly #kind: ReaderKind;
  readonly #onHeard: (reader: Reader) => void;
  #epoch: string | undefined;
  #socket: Socket | undefined;
  #isAsleep = false;
  #isClosed = false;
  #pongs: NodeJS.Timeout | undefined;
  #polling: string | undefined;

  constructor(
    where: { url: string; session: string; kind: ReaderKind; offset: string | undefined },
    onHeard: (reader: Reader) => void,
  ) {
    this.#url = where.url;
    this.#session = where.session;
    this.#kind = where.kind;
    const [epoch, n] = where.offset?.split("-") ?? [];
    this.#epoch = epoch;
    this.n = Number(n ?? 0);
    this.#onHeard = onHeard;
  }

  start(): void {
    this.newestAt = performance.now();
    if (this.#kind === "polling") void this.#poll();
    else this.#connect();
  }

  /** Reads nothing any more. One that pongs would pass for alive. */
  sleep(pongs: boolean): void {
    this.#isAsleep = true;
    this.#socket?.pause();
    if (!pongs) return;
    this.#pongs = setInterval(() => {
      if (this.#socket?.writable !== true) return;
      this.#socket.write(this.#kind === "plain" ? frame(OPCODES.pong, "") : textFrame("3"));
    }, 1_000);
  }

  /** Reads again, and comes back where it has been cut. */
  wake(): void {
    clearInterval(this.#pongs);
    this.#isAsleep = false;
    this.#socket?.resume();
    if (this.#polling !== undefined) void this.#poll();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pongs);
    this.#socket?.destroy();
  }

  #connect(): void {
    const path = `/ws/session/${this.#session}/student/`;
    const query =
      this.#kind === "plain" ? `?offset=${this.#offset ?? ""}` : "?EIO=4&transport=websocket";
    const { hostname, port } = new URL(this.#url);
    const splitter = new FrameSplitter();
    let isUpgraded = false;
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          let bytes = READ_BUFFER.subarray(0, length);
          if (!isUpgraded) {
            const end = bytes.indexOf(END_OF_HEAD);
            isUpgraded = end >= 0 && bytes.toString("latin1", 0, 12) === SWITCHING;
            // Refused, or cut into pieces, which it is not on this machine.
            if (!isUpgraded) socket.destroy();
            bytes = bytes.subarray(end + END_OF_HEAD.length);
          }
          splitter.take(bytes, this.#onFrame);
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.write(upgradeHead(`${path}${query}`));
    // Followed by `close`.
    socket.on("error", () => undefined);
    socket.on("end", () => {
      socket.destroy();
    });
    socket.on("close", () => {
      if (this.#isClosed) return;
      this.drops++;
      setTimeout(() => {
        this.#connect();
      }, COME_BACK_MS);
    });
  }

  readonly #onFrame = (bytes: Buffer, { opcode, start, end }: Frame): void => {
    if (opcode === OPCODES.ping) this.#socket?.write(frame(OPCODES.pong, ""));
    if (opcode !== OPCODES.text) return;
    const first = bytes[start];
    if (this.#kind === "plain") this.#hear(bytes, start, end);
    else if (first === ENGINE_PING) this.#socket?.write(textFrame("3"));
    else if (first === ENGINE_OPEN) this.#socket?.write(textFrame(this.#joining()));
    else if (bytes[start + 1] === SOCKET_EVENT) this.#hear(bytes, start, end);
  };

  #joining(): string {
    if (this.#offset === undefined) return "40";
    return `40${JSON.stringify({ pid: `${this.#session}.student.drill`, offset: this.#offset })}`;
  }

  /** What ends with an offset and two more signs: `"1-2"}` or `"1-2"]`. */
  #hear(bytes: Buffer, start: number, end: number): void {
    const now = performance.now();
    this.longestWaitMs = Math.max(this.longestWaitMs, now - this.newestAt);
    this.newestAt = now;
    const last = end - 3;
    let n = 0;
    let at = last;
    for (let unit = 1; at > start && bytes[at] !== DASH; at--, unit *= 10) {
      n += ((bytes[at] ?? ZERO) - ZERO) * unit;
    }
    const isShort = end - start < 256;
    if (isShort && bytes.toString("latin1", start, end).includes('"event":"connected"')) {
      if (this.connectedAt === 0) this.connectedAt = now;
      // It begins where it stopped, or it has been told that something is lost.
      if (this.#offset !== undefined && n !== this.n) this.faults++;
      this.#epoch = bytes.toString("latin1", bytes.lastIndexOf(QUOTE, at) + 1, at);
    } else if (n !== this.n + 1) this.faults++;
    this.n = n;
    this.#onHeard(this);
  }

  get #offset(): string | undefined {
    return this.#epoch === undefined ? undefined : `${this.#epoch}-${String(this.n)}`;
  }

  /** By long polling, until it falls asleep. */
  async #poll(): Promise<void> {
    const path = `${this.#url}/ws/session/${this.#session}/student/?EIO=4&transport=polling`;
    while (!this.#isClosed && !this.#isAsleep) {
      try {
        if (this.#polling === undefined) {
          const { sid } = JSON.parse((await (await fetch(path)).text()).slice(1)) as {
            sid: string;
          };
          this.#polling = `${path}&sid=${sid}`;
          await fetch(this.#polling, { method: "POST", body: this.#joining() });
        }
        const answer = await fetch(this.#polling);
        if (answer.status !== 200) throw new Error("unknown");
        for (const packet of (await answer.text()).split("\x1e")) {
          if (packet === "2") await fetch(this.#polling, { method: "POST", body: "3" });
          else if (packet.startsWith("42")) {
            const bytes = Buffer.from(packet);
            this.#hear(bytes, 0, bytes.length);
          }
        }
      } catch {
        this.drops++;
        this.#polling = undefined;
        await new Promise((resolve) => setTimeout(resolve, COME_BACK_MS));
      }
    }
  }
}
