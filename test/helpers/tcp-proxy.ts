import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Which way bytes go: `requests` to the server behind the proxy, `answers` back. */
export type Direction = "requests" | "answers";

/** What a connection to Redis is for: one that has ever subscribed carries subscriptions. */
export type LinkKind = "commands" | "subscriptions";

/** Which connections to hang, and which way; by default all of them, both ways. */
export interface Hang {
  readonly link?: LinkKind;
  readonly directions?: readonly Direction[];
}

/** What a hung way takes before it leaves the rest to the kernel's buffers. */
const MAX_HELD = 10_000;
const BOTH: readonly Direction[] = ["requests", "answers"];

/** Starts a proxy on any free port of 127.0.0.1 to a port of the same. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return new TcpProxy(server, targetPort);
}

/**
 * A network between a client and a server, with what networks do: it may stop to carry, one way or both, for the
 * connections that there are or for those that come, while every one of them stays open and answers keep-alives.
 */
export class TcpProxy {
  /** How long every byte takes, each way, in milliseconds. For connections made after it is set. */
  latencyMs = 0;
  readonly #server: Server;
  #targetPort: number;
  readonly #connections = new Set<Connection>();
  #hangNew: readonly Direction[] = [];

  /** @internal Use {@link startTcpProxy}. */
  constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    server.on("connection", (near: Socket) => {
      this.#accept(near);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now, as both sides see it. */
  count(link?: LinkKind): number {
    return this.#open(link).length;
  }

  /** Stops to carry for connections that are open now; those that come later work. Returns how many. */
  hang({ link, directions = BOTH }: Hang = {}): number {
    const hung = this.#open(link);
    for (const connection of hung) connection.hang(directions);
    return hung.length;
  }

  /** From now on new connections are accepted, and then hang. */
  hangNew(directions: readonly Direction[] = BOTH): void {
    this.#hangNew = directions;
  }

  /** New connections work again. Those that hang go on to. */
  leadAgain(): void {
    this.#hangNew = [];
  }

  /** Carries on, for all connections; what was held back arrives late. */
  heal(): void {
    this.leadAgain();
    for (const connection of this.#connections) connection.heal();
  }

  /** From now on new connections lead to another port. Those that are open stay where they are. */
  leadTo(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  /** Breaks all connections, or those of one kind, and both sides are told. */
  cut(link?: LinkKind): void {
    for (const connection of this.#connections) {
      if (link === undefined || connection.kind === link) connection.destroy();
    }
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #open(link: LinkKind | undefined): readonly Connection[] {
    return [...this.#connections].filter(
      ({ kind, isOpen }) => isOpen && (link === undefined || kind === link),
    );
  }

  #accept(near: Socket): void {
    const far = connect({
      host: "127.0.0.1",
      port: this.#targetPort,
      noDelay: true,
      allowHalfOpen: true,
    });
    const connection = new Connection(near, far, this.latencyMs);
    connection.hang(this.#hangNew);
    this.#connections.add(connection);
    connection.onClosed(() => this.#connections.delete(connection));
  }
}

class Connection {
  kind: LinkKind = "commands";
  readonly #ways: Readonly<Record<Direction, Way>>;

  constructor(near: Socket, far: Socket, latencyMs: number) {
    this.#ways = {
      requests: new Way(near, far, latencyMs),
      answers: new Way(far, near, latencyMs),
    };
    near.on("data", (chunk: Buffer) => {
      if (/\r\ns?subscribe\r\n/i.test(chunk.toString("latin1"))) this.kind = "subscriptions";
    });
  }

  get isOpen(): boolean {
    return Object.values(this.#ways).every(
      ({ source: { destroyed, readableEnded } }) => !destroyed && !readableEnded,
    );
  }

  hang(directions: readonly Direction[]): void {
    for (const direction of directions) this.#ways[direction].hang();
  }

  heal(): void {
    for (const way of Object.values(this.#ways)) way.heal();
  }

  destroy(): void {
    for (const { source } of Object.values(this.#ways)) source.destroy();
  }

  /** Both sides have ended. */
  onClosed(listener: () => void): void {
    const sources = Object.values(this.#ways).map(({ source }) => source);
    for (const source of sources) {
      source.once("close", () => {
        if (sources.every(({ closed }) => closed)) listener();
      });
    }
  }
}

/** One direction of one connection. What hangs is not even told that the other side has gone. */
class Way {
  readonly source: Socket;
  #isHung = false;
  /** What to do when it carries again. */
  #held: (() => void)[] = [];

  constructor(source: Socket, sink: Socket, latencyMs: number) {
    this.source = source;
    // Not paused while it hangs: the source's data are taken, as a proxy takes them, and keep-alives answered.
    const carry = (act: () => void) => {
      if (!this.#isHung) act();
      else if (this.#held.push(act) > MAX_HELD) source.pause();
    };
    const later = (act: () => void) => {
      if (latencyMs === 0) carry(act);
      else setTimeout(carry, latencyMs, act);
    };
    source.on("error", () => undefined);
    source.on("data", (chunk: Buffer) => {
      later(() => {
        if (!sink.destroyed) sink.write(chunk);
      });
    });
    source.on("end", () => {
      later(() => sink.end());
    });
    source.on("close", (hadError) => {
      later(() => {
        if (hadError) sink.resetAndDestroy();
        else sink.destroySoon();
      });
    });
  }

  hang(): void {
    this.#isHung = true;
  }

  heal(): void {
    this.#isHung = false;
    const held = this.#held;
    this.#held = [];
    for (const act of held) act();
    this.source.resume();
  }
}
