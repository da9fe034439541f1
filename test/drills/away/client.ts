import { io } from "socket.io-client";
import { WebSocket } from "ws";

/**
 * As the README's plain client waits, and Socket.IO's: not all at once, and longer where it fails again.
 *
 * @param failures - how often it has tried since it was in
 */
function plainPauseMs(code: number, failures: number): number {
  const waitMs = Math.min(1_000 * 2 ** failures, 5_000);
  return waitMs * (code === 1012 ? Math.random() : 0.5 + Math.random());
}

/** How a client connects. `stock` is a Socket.IO client of the stock server. */
export type AwayKind = "websocket" | "polling" | "upgrade" | "plain" | "stock";

export interface AwayOptions {
  readonly url: string;
  readonly session: string;
  readonly role: "teacher" | "student";
  readonly kind: AwayKind;
  /** About how long it stays away once it has lost its connection, in milliseconds; by default as its library does. */
  readonly pauseMs?: number | undefined;
}

/** A client as its users have it, with the pauses of its library, that remembers what became of it. */
export class AwayClient {
  readonly options: AwayOptions;
  /** How often each event has come, by its number. */
  readonly counts = new Map<number, number>();
  /** How long it was away each time, in milliseconds: from the end of a connection until it was let in again. */
  readonly awayMs: number[] = [];
  /** How long it took from being let in again until it had the newest event of then, in milliseconds. */
  readonly replayMs: number[] = [];
  /** What it has been told of the teacher. */
  readonly presence: boolean[] = [];
  newest = 0;
  /** Asked when it is let in: the newest event that has been published. */
  published: () => number = () => 0;
  #isIn = false;
  #endedAt: number | undefined;
  #owed: { readonly number: number; readonly since: number } | undefined;
  #drop: () => void = () => undefined;
  #stop: () => void = () => undefined;

  constructor(options: AwayOptions) {
    this.options = options;
  }

  get isIn(): boolean {
    return this.#isIn;
  }

  /** How often its connection has ended. */
  get drops(): number {
    return this.awayMs.length + (this.#endedAt === undefined ? 0 : 1);
  }

  start(): void {
    if (this.options.kind === "plain") this.#startPlain();
    else this.#startSocketIo();
  }

  /** Loses its connection, as on a train: it comes back by itself. */
  drop(): void {
    this.#drop();
  }

  close(): void {
    this.#stop();
  }

  #startSocketIo(): void {
    const { url, session, role, kind, pauseMs } = this.options;
    const room = `session_${session}_${role}`;
    const socket = io(url, {
      forceNew: true,
      ...(pauseMs !== undefined && { reconnectionDelay: pauseMs }),
      ...(kind === "stock" ? { query: { room } } : { path: `/ws/session/${session}/${role}/` }),
      transports:
        kind === "upgrade" ? ["polling", "websocket"] : [kind === "polling" ? kind : "websocket"],
    });
    socket.on("connected", () => {
      this.#onIn();
    });
    socket.on("disconnect", () => {
      this.#onEnd();
    });
    socket.on("new_question", ({ question_id }: { question_id: number }) => {
      this.#onEvent(question_id);
    });
    socket.on("teacher_presence", ({ is_online }: { is_online: boolean }) => {
      this.presence.push(is_online);
    });
    this.#drop = () => {
      socket.io.engine.close();
    };
    this.#stop = () => {
      socket.close();
    };
  }

  #startPlain(): void {
    const { url, session, role, pauseMs } = this.options;
    let offset = "";
    let isStopped = false;
    let failures = 0;
    let timer: NodeJS.Timeout | undefined;
    const connect = () => {
      const base = url.replace("http", "ws");
      const socket = new WebSocket(`${base}/ws/session/${session}/${role}/?offset=${offset}`);
      socket.on("message", (data: Buffer) => {
        const event = JSON.parse(data.toString()) as Readonly<Record<string, unknown>>;
        offset = typeof event["offset"] === "string" ? event["offset"] : offset;
        if (event["event"] === "connected") {
          failures = 0;
          this.#onIn();
        }
        if (event["event"] === "new_question") this.#onEvent(Number(event["question_id"]));
        if (event["event"] === "teacher_presence") this.presence.push(event["is_online"] === true);
      });
      socket.on("error", () => undefined);
      socket.on("close", (code) => {
        if (this.#isIn) this.#onEnd();
        if (isStopped) return;
        const plainMs =
          pauseMs === undefined
            ? plainPauseMs(code, failures++)
            : pauseMs / 2 + pauseMs * Math.random();
        timer = setTimeout(connect, plainMs);
      });
      this.#drop = () => {
        socket.terminate();
      };
      this.#stop = () => {
        isStopped = true;
        clearTimeout(timer);
        socket.terminate();
      };
    };
    connect();
  }

  #onIn(): void {
    this.#isIn = true;
    if (this.#endedAt === undefined) return;
    const now = performance.now();
    this.awayMs.push(now - this.#endedAt);
    this.#endedAt = undefined;
    const number = this.published();
    if (number > this.newest) this.#owed = { number, since: now };
    else this.replayMs.push(0);
  }

  #onEnd(): void {
    this.#isIn = false;
    this.#owed = undefined;
    this.#endedAt ??= performance.now();
  }

  #onEvent(number: number): void {
    this.counts.set(number, (this.counts.get(number) ?? 0) + 1);
    this.newest = Math.max(this.newest, number);
    if (!this.#owed || number < this.#owed.number) return;
    this.replayMs.push(performance.now() - this.#owed.since);
    this.#owed = undefined;
  }
}
