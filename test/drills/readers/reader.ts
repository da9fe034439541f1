import { WebSocket } from "ws";

/** How a student connects, and how one that does not read behaves otherwise. */
export type ReaderKind = "websocket" | "plain" | "polling";

const COME_BACK_MS = 100;

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
  #offset: string | undefined;
  #socket: WebSocket | undefined;
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
    this.#offset = where.offset;
    if (where.offset !== undefined) this.n = numberOf(where.offset);
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
      if (this.#socket?.readyState !== WebSocket.OPEN) return;
      if (this.#kind === "plain") this.#socket.pong();
      else this.#socket.send("3");
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
    this.#socket?.terminate();
  }

  #connect(): void {
    const path = `/ws/session/${this.#session}/student/`;
    const query =
      this.#kind === "plain" ? `?offset=${this.#offset ?? ""}` : "?EIO=4&transport=websocket";
    const socket = new WebSocket(`${this.#url.replace("http", "ws")}${path}${query}`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#socket = socket;
    // Followed by `close`.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#isClosed) return;
      this.drops++;
      setTimeout(() => {
        this.#connect();
      }, COME_BACK_MS);
    });
    socket.on("message", (data: Buffer) => {
      const first = data[0];
      if (this.#kind === "plain") this.#hear(data);
      else if (first === 0x32) socket.send("3");
      else if (first === 0x30) socket.send(this.#joining());
      else if (data[1] === 0x32) this.#hear(data);
    });
  }

  #joining(): string {
    if (this.#offset === undefined) return "40";
    return `40${JSON.stringify({ pid: `${this.#session}.student.drill`, offset: this.#offset })}`;
  }

  #hear(data: Buffer): void {
    const now = performance.now();
    this.longestWaitMs = Math.max(this.longestWaitMs, now - this.newestAt);
    this.newestAt = now;
    const [, offset = ""] =
      /"(\d+-\d+)"[\]}]$/.exec(data.toString("latin1", data.length - 48)) ?? [];
    const n = numberOf(offset);
    if (data.length < 256 && data.toString("latin1").includes('"event":"connected"')) {
      if (this.connectedAt === 0) this.connectedAt = now;
      // It begins where it stopped, or it has been told that something is lost.
      if (this.#offset !== undefined && n !== this.n) this.faults++;
    } else if (n !== this.n + 1) this.faults++;
    this.n = n;
    this.#offset = offset;
    this.#onHeard(this);
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
          else if (packet.startsWith("42")) this.#hear(Buffer.from(packet));
        }
      } catch {
        this.drops++;
        this.#polling = undefined;
        await new Promise((resolve) => setTimeout(resolve, COME_BACK_MS));
      }
    }
  }
}

function numberOf(offset: string): number {
  return Number(offset.slice(offset.indexOf("-") + 1));
}
