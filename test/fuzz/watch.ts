import { rawPlain, rawSocketIo, type RawConnection } from "../helpers/clients/raw-socket-io.js";
import { Broken } from "./verdict.js";
import { lostMs, ownMs, within } from "./waits.js";

const PATH = "/ws/session/watch/student/";
const PING_EVERY_MS = 100;
const CONNECT_MS = 30_000;
/** Who was not run for so long has not answered the server's ping, either: it may be cut for it. */
const MAY_BE_CUT_MS = 1_000;

type Open = () => Promise<RawConnection>;

/** Two clients that behave, and how long they have waited for an answer. */
export class Watch {
  /** Rejects with {@link Broken} when one is cut, or is not answered any more. */
  readonly broken: Promise<unknown>;
  readonly #hangMs: number;
  #longestMs = 0;
  #isOver = false;

  private constructor(clients: readonly (readonly [RawConnection, Open])[], hangMs: number) {
    this.#hangMs = hangMs;
    this.broken = Promise.all(clients.map(([client, open]) => this.#watch(client, open)));
    // Whoever goes on looks at it each time.
    this.broken.catch(() => undefined);
  }

  /** @param hangMs - a server that answers nobody for so long hangs */
  static async over(url: string, hangMs: number): Promise<Watch> {
    const ways = [() => rawPlain(url, PATH), () => rawSocketIo(url, PATH)];
    const clients = await Promise.all(
      ways.map(async (open) => [await connected(open), open] as const),
    );
    return new Watch(clients, hangMs);
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  /** @throws Broken */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.broken;
  }

  async #watch(client: RawConnection, open: Open): Promise<void> {
    let lostBefore = lostMs();
    while (!this.#isOver) {
      const start = ownMs();
      const why = await this.#ask(client, start);
      if (why !== undefined) {
        if (lostMs() - lostBefore < MAY_BE_CUT_MS) throw new Broken(`who behaves was cut: ${why}`);
        client = await connected(open);
      }
      lostBefore = lostMs();
      this.#longestMs = Math.max(this.#longestMs, ownMs() - start);
      client.frames.items.length = 0;
      await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS));
    }
    await client.close();
  }

  /** @returns why it was cut, if it was */
  async #ask(client: RawConnection, start: number): Promise<string | undefined> {
    for (;;) {
      const leftMs = this.#hangMs - (ownMs() - start);
      if (leftMs <= 0) {
        throw new Broken(
          `the server hangs: who behaves was not answered in ${String(this.#hangMs / 1_000)} s`,
        );
      }
      try {
        await within(leftMs, "an answer to who behaves", client.answersPing());
        return undefined;
      } catch (error) {
        // Else it has not been answered yet.
        if (!client.isOpen) return String(error);
      }
    }
  }
}

async function connected(open: Open): Promise<RawConnection> {
  return within(CONNECT_MS, "who behaves to connect", open());
}
