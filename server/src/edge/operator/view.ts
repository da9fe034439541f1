import type { Socket } from "node:net";
import { endInTime } from "../wire/closing.js";
import type { StreamAnswer } from "../event-stream/answer.js";

/** Whoever has read nothing for so many looks is cut. */
const MAX_SKIPPED = 15;
/** What may wait for one viewer: an overview, and what its session was told meanwhile. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** When a page comes back by itself, in ms. */
const RETRY_MS = 2_000;
/** What a view lasts at most, whatever its token says: its page comes back. */
const MAX_LIFE_MS = 12 * 60 * 60 * 1_000;

/** The stream of one operator who looks. What it does not read is left out, as there is a newer one soon. */
export class View {
  readonly #socket: Socket;
  readonly #end: NodeJS.Timeout;
  #skipped = 0;

  /**
   * @param socket - of the request, which is answered by nothing else
   * @param lifeMs - when what lets its operator look is over
   * @param onEnd - called once
   */
  constructor(socket: Socket, answer: StreamAnswer, lifeMs: number, onEnd: () => void) {
    this.#socket = socket;
    this.#end = setTimeout(
      () => {
        this.close();
      },
      Math.max(0, Math.min(lifeMs, MAX_LIFE_MS)),
    );
    socket.once("close", () => {
      clearTimeout(this.#end);
      onEnd();
    });
    // It has nothing to say any more: then it does not listen, either.
    socket.once("end", () => {
      this.close();
    });
    answer.begin();
    socket.write(`retry: ${String(RETRY_MS)}\n\n`);
  }

  /** Whether all that was written has been taken; called before what there is a newer one of. */
  isReading(): boolean {
    if (this.#socket.writableLength === 0) {
      this.#skipped = 0;
      return true;
    }
    if (++this.#skipped >= MAX_SKIPPED) this.#socket.destroy();
    return false;
  }

  /** @param data - JSON, on one line */
  write(event: string, data: string): void {
    if (!this.#socket.writable) return;
    this.#socket.write(`event: ${event}\ndata: ${data}\n\n`);
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
  }

  close(): void {
    clearTimeout(this.#end);
    endInTime(this.#socket);
  }
}
