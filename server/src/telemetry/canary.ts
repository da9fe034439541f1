import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket, type RawData } from "ws";
import type { Counts } from "./counts.js";
import { over, type Logger } from "./log.js";

/** How often it is tried whether what is published is heard. */
const BEAT_MS = 5_000;
/** For coming in, and then for hearing: what takes longer is missed. */
const PATIENCE_MS = 5_000;
/** Longer than anything that a canary is told. */
const MAX_FRAME_BYTES = 4_096;

export interface CanaryOptions {
  /** Where clients connect, without a slash at its end. */
  readonly url: string;
  /** Makes what it shows there, for this session; `undefined` where none is needed. */
  readonly token: ((session: string) => Promise<string>) | undefined;
  /** Publishes an event with this note for students; rejects in time. */
  readonly publish: (session: string, note: string, timeoutMs: number) => Promise<unknown>;
  readonly counts: Pick<Counts, "beats" | "beatSeconds">;
  readonly log: Logger;
}

/**
 * Joins a session of its own by the way that clients take, publishes to it every few seconds, and measures until it hears
 * that. One beat at a time, each with an end: it was heard, or it is missed.
 */
export class Canary {
  /** Made up for this process: nobody's lecture can have its name, and nobody can guess it. */
  readonly #session = `inthon-canary-${randomBytes(16).toString("hex")}`;
  readonly #options: CanaryOptions;
  readonly #closing = new AbortController();
  #socket: WebSocket | undefined;
  #beats = 0;
  #isMissing = false;

  constructor(options: CanaryOptions) {
    this.#options = options;
  }

  /** Begins to beat, until it is closed. */
  start(): void {
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
    this.#socket?.terminate();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#beat();
      await delay(BEAT_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #beat(): Promise<void> {
    const { counts, log } = this.#options;
    counts.beats.add({ outcome: "sent" });
    try {
      const ms = await this.#hearOneself();
      counts.beatSeconds.observe(ms / 1_000);
      counts.beats.add({ outcome: "heard" });
      if (this.#isMissing)
        log.info(over({ session: this.#session }), "the canary hears itself again");
      this.#isMissing = false;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      counts.beats.add({ outcome: "missed" });
      // Another way in may do better.
      this.#socket?.terminate();
      if (!this.#isMissing) {
        log.warn({ err: error, session: this.#session }, "the canary does not hear itself");
      }
      this.#isMissing = true;
    }
  }

  /** @returns how long it took, in milliseconds */
  async #hearOneself(): Promise<number> {
    const socket = await this.#connected();
    const note = String(++this.#beats);
    const heardAt = hear(socket, (event) => event.note === note);
    const sentAt = performance.now();
    const [at] = await Promise.all([
      heardAt,
      this.#options.publish(this.#session, note, PATIENCE_MS),
    ]);
    return at - sentAt;
  }

  async #connected(): Promise<WebSocket> {
    if (this.#socket?.readyState === WebSocket.OPEN) return this.#socket;
    const { url, token } = this.#options;
    const authorization = token && `Bearer ${await token(this.#session)}`;
    this.#closing.signal.throwIfAborted();
    const socket = new WebSocket(`${url}/ws/session/${this.#session}/student/`, {
      handshakeTimeout: PATIENCE_MS,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      ...(authorization !== undefined && { headers: { authorization } }),
    });
    this.#socket = socket;
    // Where nobody waits for it, `close` follows.
    socket.on("error", () => undefined);
    await hear(socket, ({ event }) => event === "connected");
    return socket;
  }
}

interface Heard {
  readonly event?: unknown;
  readonly note?: unknown;
}

/** Resolves with when it was heard; rejects where the connection ends before, or it takes too long. */
function hear(socket: WebSocket, isWanted: (event: Heard) => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      socket.off("message", onMessage).off("close", onClose).off("error", fail);
    };
    const fail = (error: Error) => {
      end();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(new Error(`nothing was heard within ${String(PATIENCE_MS)} ms`));
    }, PATIENCE_MS);
    const onClose = (code: number) => {
      fail(new Error(`the connection ended with ${String(code)}`));
    };
    const onMessage = (data: RawData) => {
      if (!isWanted(parse(data))) return;
      end();
      resolve(performance.now());
    };
    socket.on("message", onMessage).on("close", onClose).on("error", fail);
  });
}

/** Whatever is at the other end of the URL. */
function parse(data: RawData): Heard {
  try {
    const value: unknown = JSON.parse((data as Buffer).toString());
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
