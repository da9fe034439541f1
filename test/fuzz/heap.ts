import { once } from "node:events";
import { WebSocket } from "ws";

const ANSWER_MS = 20_000;

/** What a process holds in V8's heap after a collection of all garbage, by the inspector that it was started with. */
export class Heap {
  readonly #socket: WebSocket;
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @param output - what a process has printed that was started with `--inspect=127.0.0.1:0` */
  static async of(output: string): Promise<Heap> {
    const url = /Debugger listening on (ws:\S+)/.exec(output)?.[1];
    if (url === undefined) throw new Error("the process has no inspector");
    const socket = new WebSocket(url);
    await once(socket, "open");
    return new Heap(socket);
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
    this.#socket.send(JSON.stringify({ id, method }));
    const signal = AbortSignal.timeout(ANSWER_MS);
    for (;;) {
      const [data] = (await once(this.#socket, "message", { signal })) as [Buffer];
      const answer = JSON.parse(data.toString()) as { id?: number; result?: unknown };
      if (answer.id === id) return answer.result;
    }
  }
}
