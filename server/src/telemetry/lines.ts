import type { Writable } from "node:stream";

/** So many characters are written before the turn is over. */
const MAX_WAITING = 64 * 1024;
/** So many bytes may wait for whoever reads the log. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/**
 * Writes the lines of one turn of the event loop at once: a class that comes back makes hundreds, and each would be a
 * system call in which nobody is served. They are written before the process exits, too; who kills it loses those of the turn.
 *
 * Where nobody reads them, what comes later is left out until all that waits has been read.
 */
export class GatheredLines {
  readonly #out: Writable;
  readonly #onRead: (untold: number) => void;
  #waiting = "";
  #isStuck = false;
  #untold = 0;

  /** @param onRead - called when lines are written again, with the number of those that were left out */
  constructor(out: Writable, onRead: (untold: number) => void) {
    this.#out = out;
    this.#onRead = onRead;
    process.on("exit", () => {
      this.flush();
    });
  }

  /** Called by pino. */
  write(line: string): void {
    if (this.#isStuck) {
      this.#untold++;
      return;
    }
    if (this.#waiting === "") {
      setImmediate(() => {
        this.flush();
      });
    }
    this.#waiting += line;
    if (this.#waiting.length >= MAX_WAITING) this.flush();
  }

  flush(): void {
    if (this.#waiting === "") return;
    const lines = this.#waiting;
    this.#waiting = "";
    this.#out.write(lines);
    if (this.#isStuck || this.#out.writableLength <= MAX_UNREAD_BYTES) return;
    this.#isStuck = true;
    this.#out.once("drain", () => {
      this.#isStuck = false;
      const untold = this.#untold;
      this.#untold = 0;
      if (untold > 0) this.#onRead(untold);
    });
  }
}
