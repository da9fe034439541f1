import { EventEmitter } from "node:events";
import type { Batch, Lane } from "../../../server/dist/classroom/batch.js";
import type { SimulatedProcess } from "../world/simulated-process.js";
import type { World } from "../world/world.js";
import { currentProcess } from "../world/globals.js";

/** What a client is told, in its order. */
export type Told =
  | { readonly kind: "packet"; readonly text: string }
  | { readonly kind: "batch"; readonly batch: Batch }
  | { readonly kind: "closed" };

/** Who asks to be connected, and from where on. */
export interface Hello {
  readonly url: string;
  readonly query: Readonly<Record<string, string>>;
  readonly auth: Readonly<Record<string, string>>;
}

/** The client's end of it. */
export interface ClientEnd {
  /** Whether it reads: what it does not read waits. */
  readonly isReading: boolean;
  /** How many pieces may be under way to it before it is behind. */
  readonly maxUnread: number;
  hear(told: Told): void;
}

const TRANSPORT = Object.freeze({ name: "websocket", writable: true });

/**
 * A connection as the server sees it: in the shape of an Engine.IO connection, as far as Socket.IO and the classroom use one
 * (`DESIGN.md`, section 3), with a lane to its client instead of a socket.
 */
export class ServerConnection extends EventEmitter implements Lane {
  readonly id: string;
  readonly protocol = 4;
  readonly transport = TRANSPORT;
  readonly remoteAddress = "192.0.2.7";
  readonly request: object;
  readyState: "open" | "closing" | "closed" = "open";
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #client: ClientEnd;
  #unread: Told[] = [];
  #onRead: (() => void)[] = [];
  #lastAt = 0;
  #underWay = 0;
  /** Whether the two still reach each other. */
  #isLinked = true;

  constructor(world: World, process: SimulatedProcess, hello: Hello, client: ClientEnd) {
    super();
    this.#world = world;
    this.#process = process;
    this.#client = client;
    this.id = world.random.hex(10);
    this.request = {
      url: hello.url,
      headers: {},
      connection: { encrypted: false },
      _query: hello.query,
    };
    process.onEnd(() => {
      this.#isLinked = false;
    });
  }

  /** Of the lane. */
  write(written: Batch | string): void {
    if (this.readyState !== "open") return;
    this.#send(
      typeof written === "string"
        ? { kind: "packet", text: written }
        : { kind: "batch", batch: written },
    );
  }

  gather(): void {
    // All of it goes as it comes.
  }

  get isRead(): boolean {
    return this.#underWay + this.#unread.length < this.#client.maxUnread;
  }

  onceRead(listener: () => void): void {
    this.#onRead.push(listener);
  }

  cut(): void {
    this.close();
  }

  drop(error: unknown): void {
    this.#world.tell(this.#process.name, `an error that nobody expected: ${String(error)}`);
    this.#world.violate("no error that nobody expected", String(error));
    this.close();
  }

  close(): void {
    if (this.readyState !== "open") return;
    this.readyState = "closing";
    this.#send({ kind: "closed" });
    // As a transport does, in a later turn.
    this.#process.arrive(() => {
      this.#end("forced close");
    });
  }

  /** Its client has ended it, or has been found to be gone. */
  endByClient(reason: "transport close" | "ping timeout"): void {
    this.#isLinked = false;
    this.#process.arrive(() => {
      this.#end(reason);
    });
  }

  /** Its client has ended in the packet in which it came. */
  endNow(): void {
    this.#end("transport close");
  }

  /** Nothing reaches its client any more. */
  unlink(): void {
    this.#isLinked = false;
  }

  /** The client reads again. */
  flush(): void {
    const unread = this.#unread;
    this.#unread = [];
    for (const told of unread) this.#hear(told);
    this.#tellRead();
  }

  #end(reason: string): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.emit("close", reason);
  }

  #send(told: Told): void {
    if (currentProcess() !== this.#process) throw new Error("another process writes to a client");
    const at = this.#world.now + this.#world.random.longTailed(1);
    this.#lastAt = Math.max(this.#lastAt, at);
    this.#underWay++;
    this.#world.at(this.#lastAt, () => {
      if (!this.#isLinked) return;
      this.#underWay--;
      if (this.#client.isReading || told.kind === "closed") this.#hear(told);
      else this.#unread.push(told);
      if (this.isRead) this.#tellRead();
    });
  }

  #hear(told: Told): void {
    this.#client.hear(told);
  }

  #tellRead(): void {
    const listeners = this.#onRead;
    if (listeners.length === 0) return;
    this.#onRead = [];
    this.#process.arrive(() => {
      for (const listener of listeners) listener();
    });
  }
}
