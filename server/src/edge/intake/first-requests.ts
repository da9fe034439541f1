import type { Duplex } from "node:stream";

/** Of so many newcomers at once, and of as many that have said nothing yet: what one turn of the event loop may parse. */
const AT_ONCE = 32;
/** How long others wait for one that says nothing, or twice that, and until the turn of the event loop is over. */
const PATIENCE_MS = 5;

/**
 * Reads the first requests of so many connections at once. Node.js reads and parses in one turn of the event loop whatever
 * has come, and nothing else is done meanwhile: a crowd that has connected, and then asks at once, would hold up everybody.
 *
 * Who has just come is read before those who have been read in vain, as whoever means well asks at once. These are read again
 * in turn, so many at a time.
 */
export class FirstRequests {
  /** Newcomers that are read, with the time from which on: longest first. */
  readonly #reading = new Map<Duplex, number>();
  /** Newcomers that are not, in their order. */
  readonly #waiting = new Set<Duplex>();
  /** Of those that have said nothing, the ones that are read, and the others in their order. */
  #heardAgain = new Set<Duplex>();
  readonly #silent = new Set<Duplex>();
  /** When it was looked last for those who say nothing. */
  #lookedAtMs = 0;
  #isScheduled = false;

  /** A connection has come. */
  come(socket: Duplex): void {
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

  /** A request has been read from it, or what is none: it has its turn no more. */
  asked(socket: Duplex): void {
    this.forget(socket);
    this.#readNewcomers();
  }

  /** It is not to be read any more. */
  forget(socket: Duplex): void {
    for (const some of [this.#reading, this.#waiting, this.#heardAgain, this.#silent]) {
      some.delete(socket);
    }
  }

  #readNewcomers(): void {
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
    this.#moveSilent();
    this.#readNewcomers();
    this.#hearOthers();
    if (this.#waiting.size + this.#silent.size > 0) this.#schedule();
  }

  /** Makes room for newcomers, as far as they need it. */
  #moveSilent(): void {
    let needed = this.#waiting.size;
    for (const [socket, sinceMs] of this.#reading) {
      // Since then, what came from the others has been read at least once.
      if (needed === 0 || sinceMs > this.#lookedAtMs) return;
      this.#reading.delete(socket);
      needed--;
      if (socket.destroyed) continue;
      socket.pause();
      this.#silent.add(socket);
    }
  }

  /** Has those read that have waited longest, of all that have said nothing. */
  #hearOthers(): void {
    const heard = this.#heardAgain;
    this.#heardAgain = new Set();
    for (const socket of this.#silent) {
      if (this.#heardAgain.size >= AT_ONCE) break;
      this.#silent.delete(socket);
      if (socket.destroyed) continue;
      socket.resume();
      this.#heardAgain.add(socket);
    }
    for (const socket of heard) {
      if (socket.destroyed) continue;
      // Nobody else needs its place.
      if (this.#heardAgain.size < AT_ONCE) {
        this.#heardAgain.add(socket);
        continue;
      }
      socket.pause();
      this.#silent.add(socket);
    }
  }
}
