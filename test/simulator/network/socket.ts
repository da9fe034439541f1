import { EventEmitter } from "node:events";
import type { ProcessInTurn } from "../world/whose-turn.js";
import type { Timer } from "../world/timer.js";

/** What a socket does with what its process wants of it. */
export interface SocketEnd {
  write(bytes: string): void;
  close(): void;
}

/** As much of a `net.Socket` as clients of the `redis` package use. */
export class SimulatedSocket extends EventEmitter {
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort: number;
  readonly #process: ProcessInTurn;
  #end: SocketEnd | undefined;
  #corked = 0;
  #held = "";
  #timer: Timer | undefined;
  destroyed = false;
  readonly writableNeedDrain = false;

  constructor(process: ProcessInTurn, port: number) {
    super();
    this.#process = process;
    this.remotePort = port;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed && this.#end !== undefined;
  }

  /** The network has connected it. */
  open(end: SocketEnd): void {
    if (this.destroyed) {
      end.close();
      return;
    }
    this.#end = end;
    this.#stir();
    this.emit("connect");
  }

  receive(bytes: string): void {
    if (this.destroyed) return;
    this.#stir();
    this.emit("data", Buffer.from(bytes, "latin1"));
  }

  /** The other side has closed it, or refused it. */
  endByPeer(error?: Error): void {
    this.destroy(error);
  }

  write(chunk: string | Buffer): boolean {
    if (this.destroyed) return false;
    this.#held += (typeof chunk === "string" ? Buffer.from(chunk) : chunk).toString("latin1");
    if (this.#corked === 0) this.#flush();
    return true;
  }

  cork(): void {
    this.#corked++;
  }

  uncork(): void {
    if (--this.#corked === 0) this.#flush();
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#corked = 0;
    this.#held = "";
    this.#end?.close();
    this.setTimeout(0);
    process.nextTick(() => {
      if (error) this.emit("error", error);
      this.emit("close", error !== undefined);
    });
    return this;
  }

  setTimeout(ms: number): this {
    if (this.#timer) this.#timer.isActive = false;
    this.#timer = undefined;
    if (ms > 0) {
      this.#timer = this.#process.setTimer(
        () => {
          this.emit("timeout");
        },
        ms,
        false,
      );
    }
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #stir(): void {
    this.#timer?.refresh();
  }

  #flush(): void {
    const bytes = this.#held;
    this.#held = "";
    if (bytes !== "") this.#end?.write(bytes);
  }
}
