import { once } from "node:events";
import { WebSocket } from "ws";
import { WaitOver, within } from "./waits.js";

/** Longer than anybody who hangs is waited for: a process that is hardly run takes long to collect all its garbage. */
const ANSWER_MS = 60_000;

/** What a process holds in V8's heap after a collection of all garbage, by the inspector that it was started with. */
export class Heap {
  readonly #socket: WebSocket;
  readonly #answerMs: number;
  readonly #hungUp: Promise<never>;
  #calls = 0;

  private constructor(socket: WebSocket, answerMs: number) {
    this.#socket = socket;
    this.#answerMs = answerMs;
    this.#hungUp = new Promise((_resolve, reject) => {
      socket.once("close", () => {
        reject(new WaitOver("the inspector has hung up"));
      });
    });
    // Whoever waits for an answer is told.
    this.#hungUp.catch(() => undefined);
  }

  /**
   * @param output - what a process has printed that was started with `--inspect=127.0.0.1:0`
   * @throws WaitOver as every call does that is not answered
   */
  static async of(output: string, answerMs = ANSWER_MS): Promise<Heap> {
    const url = /Debugger listening on (ws:\S+)/.exec(output)?.[1];
    if (url === undefined) throw new Error("the process has no inspector");
    const socket = new WebSocket(url);
    await within(answerMs, "the inspector", once(socket, "open"));
    // Followed by `close`.
    socket.on("error", () => undefined);
    return new Heap(socket, answerMs);
  }

  /** In bytes. */
  async used(): Promise<number> {
    // What has ended may be told so in another turn, and be let go of only then.
    for (let i = 0; i < 3; i++) await this.#call("HeapProfiler.collectGarbage");
    const { usedSize } = (await this.#call("Runtime.getHeapUsage")) as { usedSize: number };
    return usedSize;
  }

  close(): void {
    this.#socket.terminate();
  }

  async #call(method: string): Promise<unknown> {
    const id = ++this.#calls;
    const answered = new Promise((resolve) => {
      const hear = (data: Buffer) => {
        const answer = JSON.parse(data.toString()) as { id?: number; result?: unknown };
        if (answer.id !== id) return;
        this.#socket.off("message", hear);
        resolve(answer.result);
      };
      this.#socket.on("message", hear);
    });
    this.#socket.send(JSON.stringify({ id, method }));
    const what = `the inspector's answer to ${method}`;
    return within(this.#answerMs, what, Promise.race([answered, this.#hungUp]));
  }
}
