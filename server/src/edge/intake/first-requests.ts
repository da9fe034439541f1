import type { Socket } from "node:net";

/** Of so many connections at once: no more than those who are there may wait for in one turn of the event loop. */
const AT_ONCE = 32;
/** How long others wait for one that says nothing, or twice that: 20,000 that are silent are all read within 4 s. */
const PATIENCE_MS = 5;

/**
 * Reads the first request of so many connections at once. Node.js reads and parses in one turn of the event loop whatever
 * has come, and nothing else is done meanwhile: a crowd that has connected, and then asks at once, would hold up everybody.
 * Who says nothing is read again later, in turn with the others who wait.
 */
export class FirstRequests {
  /** Those that are read, with the time from which on: longest first. */
  readonly #reading = new Map<Socket, number>();
  /** Those that are not, in their order. */
  readonly #waiting = new Set<Socket>();
  /** When it was looked last for those who say nothing. */
  #lookedAtMs = 0;
  #isScheduled = false;

  /** How many connections are not read for now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A connection has come. */
  come(socket: Socket): void {
    if (this.#reading.size < AT_ONCE) {
      this.#reading.set(socket, performance.now());
      return;
    }
    this.#waiting.add(socket);
    this.#schedule();
    // Node.js's server starts to read it in the next tick, whatever it is told in this one.
    process.nextTick(() => {
      if (this.#waiting.has(socket)) socket.pause();
    });
  }

  /** A request has been read from it: it has its turn no more. */
  asked(socket: Socket): void {
    if (this.#reading.delete(socket)) this.#readOn();
  }

  #readOn(): void {
    const nowMs = performance.now();
    for (const socket of this.#waiting) {
      if (this.#reading.size >= AT_ONCE) return;
      this.#waiting.delete(socket);
      if (socket.destroyed) continue;
      socket.resume();
      this.#reading.set(socket, nowMs);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#lookedAtMs = performance.now();
    setTimeout(() => {
      this.#isScheduled = false;
      this.#look();
    }, PATIENCE_MS).unref();
  }

  #look(): void {
    const silent: Socket[] = [];
    for (const [socket, sinceMs] of this.#reading) {
      // Since then, what came from the others has been read at least once.
      if (sinceMs > this.#lookedAtMs) break;
      if (!socket.destroyed && silent.length >= this.#waiting.size) break;
      this.#reading.delete(socket);
      if (!socket.destroyed) silent.push(socket);
    }
    this.#readOn();
    for (const socket of silent) {
      socket.pause();
      this.#waiting.add(socket);
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}
