import type { Socket } from "node:net";

/** One direction of a connection that passes through us: what comes in goes out, later, or not at all any more. */
export class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #waiting: { readonly dueAt: number; readonly chunk: Buffer }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #delayMs = 0;
  #isHung = false;
  #hasEnded = false;

  /** @param onData - sees what comes in */
  constructor(from: Socket, to: Socket, onData?: (chunk: Buffer) => void) {
    this.#from = from;
    this.#to = to;
    from.on("data", (chunk: Buffer) => {
      onData?.(chunk);
      if (this.#isHung) return;
      this.#waiting.push({ dueAt: Date.now() + this.#delayMs, chunk });
      this.#pump();
    });
    from.once("close", () => {
      this.#hasEnded = true;
      this.#pump();
    });
    to.on("drain", () => {
      from.resume();
    });
    to.once("close", () => {
      clearTimeout(this.#timer);
    });
  }

  /** From now on nothing passes, also no end, and nobody is told: what comes is taken, as by a proxy that hangs. */
  hang(): void {
    this.#isHung = true;
    this.#waiting.length = 0;
    this.#from.resume();
  }

  /** From now on everything takes this much longer, in milliseconds. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const waitMs = first.dueAt - Date.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#pump();
        }, waitMs);
        return;
      }
      this.#waiting.shift();
      if (this.#to.writable && !this.#to.write(first.chunk)) this.#from.pause();
    }
    if (this.#hasEnded && !this.#isHung) this.#to.destroySoon();
  }
}
