import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Subscription } from "./api.js";
import { untilDone } from "./progress.js";

const PATIENCE_MS = 5_000;
/** How Redis begins what it sends to a subscriber (RESP2: arrays of three or four, with the kind first). */
const MESSAGES = [Buffer.from("*3\r\n$7\r\nmessage\r\n"), Buffer.from("*4\r\n$8\r\npmessage\r\n")];
const ACKNOWLEDGEMENTS = [
  Buffer.from("*3\r\n$9\r\nsubscribe\r\n"),
  Buffer.from("*3\r\n$10\r\npsubscribe\r\n"),
];

/** Stand-ins for replicas, as Redis sees them: they subscribe as a replica does, and count. */
export class Subscribers {
  readonly #sockets: Socket[] = [];
  #acknowledged = 0;
  #messages = 0;

  async subscribe(subscriptions: readonly Subscription[]): Promise<void> {
    let expected = this.#acknowledged;
    for (const { port, command, channels } of subscriptions) {
      const socket = connect({ host: "127.0.0.1", port });
      await once(socket, "connect");
      this.#sockets.push(socket);
      const messages = new Counter(MESSAGES);
      const acknowledgements = new Counter(ACKNOWLEDGEMENTS);
      socket.on("data", (chunk: Buffer) => {
        this.#messages += messages.count(chunk);
        if (this.#acknowledged < expected) {
          this.#acknowledged += acknowledgements.count(chunk);
        }
      });
      expected += channels.length;
      socket.write(toCommand([command, ...channels]));
    }
    const acknowledged = () => this.#acknowledged;
    if (!(await untilDone(() => acknowledged() >= expected, acknowledged, PATIENCE_MS))) {
      throw new Error(`Redis confirmed ${acknowledged()} of ${expected} subscriptions`);
    }
  }

  async messages(expected: number): Promise<number> {
    const count = () => this.#messages;
    await untilDone(() => count() >= expected, count, PATIENCE_MS);
    const total = this.#messages;
    this.#messages = 0;
    return total;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.length = 0;
  }
}

/** Counts how often one of some words comes in a stream, however it is split. */
class Counter {
  readonly #words: readonly Buffer[];
  readonly #longest: number;
  #tail: Buffer = Buffer.alloc(0);

  constructor(words: readonly Buffer[]) {
    this.#words = words;
    this.#longest = Math.max(...words.map(({ length }) => length));
  }

  count(chunk: Buffer): number {
    const data = Buffer.concat([this.#tail, chunk]);
    let count = 0;
    let counted = 0;
    for (const word of this.#words) {
      for (let at = data.indexOf(word); at >= 0; at = data.indexOf(word, at + word.length)) {
        count++;
        counted = Math.max(counted, at + word.length);
      }
    }
    this.#tail = data.subarray(Math.max(counted, data.length - this.#longest + 1));
    return count;
  }
}

function toCommand(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}
