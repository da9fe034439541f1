import type { Writable } from "node:stream";

/** So many characters are written before the turn is over. */
const MAX_WAITING = 64 * 1024;

/**
 * Writes the lines of one turn of the event loop at once: a class that comes back makes hundreds, and each would be a
 * system call in which nobody is served. They are written before the process exits, too; who kills it loses those of the turn.
 */
export class GatheredLines {
  readonly #out: Writable;
  #waiting = "";

  constructor(out: Writable) {
    this.#out = out;
    process.on("exit", () => {
      this.flush();
    });
  }

  /** Called by pino. */
  write(line: string): void {
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
  }
}
