import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { reset } from "./reset.js";

/** How a client's connection ends without a close. */
export type Cut =
  /** Both sides find it broken. */
  | "reset"
  /** The client has gone elsewhere; the server's side stays open, and silent. */
  | "vanish"
  /** Nothing passes for a while, in either direction; then the client gives it up. */
  | "gap";

/** Longer than a server waits for a sign of life: by then it has given up the half-open connection. */
const FORGOTTEN_AFTER_MS = 25_000;

/** Where a line may lead. */
export interface Target {
  readonly name: string;
  readonly port: number;
}

interface Pair {
  /** The client's side. */
  readonly near: Socket;
  /** The server's side. */
  readonly far: Socket;
}

/**
 * The way from one client to a replica, as a network of its own: it leads somewhere else after each
 * {@link Line.reroute}, and can be cut so that nobody is told.
 */
export class Line {
  readonly #server: Server;
  readonly #choose: () => Target;
  readonly #pairs = new Set<Pair>();
  readonly #forgotten = new Set<Socket>();
  #target: Target;
  #isDark = false;

  private constructor(server: Server, choose: () => Target) {
    this.#server = server;
    this.#choose = choose;
    this.#target = choose();
    server.on("connection", (near: Socket) => {
      this.#accept(near);
    });
  }

  static async open(choose: () => Target): Promise<Line> {
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Line(server, choose);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The replica that it leads to. */
  get target(): string {
    return this.#target.name;
  }

  /** From now on leads to a replica chosen anew. */
  reroute(): void {
    this.#target = this.#choose();
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  cut(cut: Cut, ms: number): void {
    switch (cut) {
      case "reset":
        for (const { near, far } of this.#pairs) {
          reset(near);
          reset(far);
        }
        break;
      case "vanish":
        for (const pair of this.#silence()) reset(pair.near);
        break;
      case "gap": {
        const pairs = this.#silence();
        this.#isDark = true;
        setTimeout(() => {
          this.#isDark = false;
          for (const { near } of pairs) reset(near);
        }, ms);
        break;
      }
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    for (const socket of this.#forgotten) socket.destroy();
    await once(this.#server, "close");
  }

  #accept(near: Socket): void {
    near.on("error", () => undefined);
    if (this.#isDark) {
      reset(near);
      return;
    }
    const far = connect({ host: "127.0.0.1", port: this.#target.port, noDelay: true });
    far.on("error", () => undefined);
    const pair = { near, far };
    this.#pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    near.once("close", () => {
      if (this.#pairs.delete(pair)) far.destroy();
    });
    far.once("close", (hadError) => {
      if (!this.#pairs.delete(pair)) return;
      // A server that ended properly may have said something before.
      if (hadError) near.destroy();
      else near.destroySoon();
    });
  }

  /** What is under way is lost, and neither side is told. The server's sides stay open for long. */
  #silence(): readonly Pair[] {
    const pairs = [...this.#pairs];
    this.#pairs.clear();
    for (const { near, far } of pairs) {
      near.unpipe(far).pause();
      far.unpipe(near).pause();
      this.#forget(near);
      this.#forget(far);
    }
    return pairs;
  }

  #forget(socket: Socket): void {
    this.#forgotten.add(socket);
    const timer = setTimeout(() => socket.destroy(), FORGOTTEN_AFTER_MS).unref();
    socket.once("close", () => {
      clearTimeout(timer);
      this.#forgotten.delete(socket);
    });
  }
}
