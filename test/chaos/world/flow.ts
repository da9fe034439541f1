import type { Socket } from "node:net";

/** One direction of a connection that passes through us: what comes in goes out, later, or not at all for a while. */
export class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #waiting: { readonly dueAt: number; readonly chunk: Buffer }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #delayMs = 0;
  #isHeld = false;
  #hasEnded = false;

  /** @param onData - sees what comes in */
  constructor(from: Socket, to: Socket, onData?: (chunk: Buffer) => void) {
    this.#from = from;
    this.#to = to;
    from.on("data", (chunk: Buffer) => {
      onData?.(chunk);
      this.#waiting.push({ dueAt: Date.now() + this.#delayMs, chunk });
      this.#pump();
    });
    from.once("close", () => {
      this.#hasEnded = true;
      this.#pump();
    });
    to.on("drain", () => {
      if (!this.#isHeld) from.resume();
    });
    to.once("close", () => {
      clearTimeout(this.#timer);
    });
  }

  /** Nothing passes any more, and nobody is told: also not of an end. What comes is kept, where it is. */
  hold(): void {
    this.#isHeld = true;
    this.#from.pause();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#from.resume();
    this.#pump();
  }

  /** From now on everything takes this much longer. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  #pump(): void {
    clearTimeout(this.#timer);
    if (this.#isHeld) return;
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
    if (this.#hasEnded) this.#to.destroySoon();
  }
}
