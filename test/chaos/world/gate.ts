import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Flow } from "./flow.js";
import { reset } from "./reset.js";

/** What a connection to Redis is for. */
export type LinkKind = "commands" | "subscriptions" | "replication";

/** Which way nothing flows. */
export type Direction = "to Redis" | "from Redis" | "both";

export const DIRECTIONS = ["to Redis", "from Redis", "both"] as const satisfies Direction[];

/** How long the half of a hung connection stays that nobody holds any more. */
const HALF_OPEN_MS = 3_000;
const TELLING = /\b(?:([PS]?SUBSCRIBE)|PSYNC)\r\n/i;

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  readonly up: Flow;
  readonly down: Flow;
  /** Known by the first command that says so. */
  kind: LinkKind;
}

/** Where somebody reaches Redis: a proxy that can be shut, slow, or hang for one kind of connections. */
export class Gate {
  readonly #server: Server;
  readonly #port: () => number;
  readonly #links = new Set<Link>();
  readonly #hangs = new Map<LinkKind, Direction>();
  #delayMs = 0;
  #isShut = false;

  private constructor(server: Server, port: () => number) {
    this.#server = server;
    this.#port = port;
    server.on("connection", (near: Socket) => {
      this.#accept(near);
    });
  }

  /** @param port - where Redis is, asked for each connection */
  static async open(port: () => number): Promise<Gate> {
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Gate(server, port);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections that are open, as far as the one who made them knows. */
  get connections(): number {
    return [...this.#links].filter(({ near }) => !near.closed).length;
  }

  /** Ends all connections and takes no new ones: Redis is away. */
  shut(): void {
    this.#isShut = true;
    this.#cut();
  }

  admit(): void {
    this.#isShut = false;
  }

  /**
   * From now on nothing flows on connections of this kind, and TCP stays open: for good on those that are there and
   * those that are made until {@link Gate.heal}.
   */
  hang(kind: LinkKind, direction: Direction): void {
    this.#hangs.set(kind, direction);
    for (const link of this.#links) this.#hangOne(link);
  }

  /** New connections of this kind work again. */
  heal(kind: LinkKind): void {
    this.#hangs.delete(kind);
  }

  /** From now on each direction takes this much longer. */
  delay(ms: number): void {
    this.#delayMs = ms;
    for (const { up, down } of this.#links) {
      up.delay(ms);
      down.delay(ms);
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#cut();
    await once(this.#server, "close");
  }

  #cut(): void {
    for (const { near, far } of this.#links) {
      reset(near);
      reset(far);
    }
  }

  #accept(near: Socket): void {
    near.on("error", () => undefined);
    if (this.#isShut) {
      reset(near);
      return;
    }
    const far = connect({ host: "127.0.0.1", port: this.#port(), noDelay: true });
    far.on("error", () => undefined);
    const up = new Flow(near, far, (chunk) => {
      if (link.kind !== "commands") return;
      const told = TELLING.exec(chunk.toString("latin1"));
      if (!told) return;
      link.kind = told[1] === undefined ? "replication" : "subscriptions";
      this.#hangOne(link);
    });
    const down = new Flow(far, near);
    const link: Link = { near, far, up, down, kind: "commands" };
    up.delay(this.#delayMs);
    down.delay(this.#delayMs);
    this.#links.add(link);
    this.#hangOne(link);
    const forget = () => {
      if (near.closed && far.closed) this.#links.delete(link);
    };
    near.once("close", () => {
      // The other side of one that hangs is not told, and does not stay for ever either.
      setTimeout(() => far.destroy(), HALF_OPEN_MS).unref();
      forget();
    });
    far.once("close", forget);
  }

  #hangOne({ up, down, kind }: Link): void {
    const direction = this.#hangs.get(kind);
    if (direction === undefined) return;
    if (direction !== "from Redis") up.hang();
    if (direction !== "to Redis") down.hang();
  }
}
