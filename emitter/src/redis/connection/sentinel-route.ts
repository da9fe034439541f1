import { fieldsOf, type ConnectionOptions } from "./client.js";
import { Link } from "./link.js";
import { hostAndPort, type RedisAddress, type RedisTarget } from "./redis-url.js";
import { connectionTo, type Guides, type MoveListener, type RedisRoute } from "./route.js";
import type { TlsSource } from "./tls.js";

type SentinelTarget = RedisTarget & { readonly kind: "sentinel" };

/** Each Sentinel is asked every fifth of it, and one that hangs is noticed after it. */
const SENTINEL_TIMEOUT_MS = 2_500;

/** Where a Sentinel says that the primary is. */
interface Answer {
  readonly address: RedisAddress;
  /** Of the failover that has brought it there: a later one knows better. */
  readonly epoch: number;
}

/**
 * To whichever Redis is the primary, as the Sentinels say.
 *
 * All of them are asked, again and again, and the one with the latest failover is believed: one that was cut off from the others
 * does not lead back to the old primary, which may take events for seconds after another one has taken its place, until it is
 * told to follow that. Whether a connection works is not their business but its link's.
 */
export class SentinelRoute implements RedisRoute {
  readonly name: string;
  readonly guides: SentinelsHeard;
  readonly #target: SentinelTarget;
  readonly #tls: TlsSource;
  readonly #sentinels: readonly Sentinel[];
  readonly #listeners: MoveListener[] = [];
  /** Who waits for the first answer. */
  #waiting: ((error: Error | undefined) => void)[] = [];
  #best: Answer | undefined;
  #isOpen = false;

  constructor(target: SentinelTarget, tls: TlsSource) {
    this.#target = target;
    this.#tls = tls;
    const { sentinels, name } = target;
    this.name = `${name} of the Sentinels ${sentinels.map(hostAndPort).join(", ")}`;
    this.#sentinels = sentinels.map(
      (address) =>
        new Sentinel(address, target, tls, () => {
          this.#decide();
        }),
    );
    this.guides = new SentinelsHeard(this.#sentinels);
  }

  async next(signal: AbortSignal): Promise<ConnectionOptions> {
    if (!this.#isOpen) {
      this.#isOpen = true;
      for (const { link } of this.#sentinels) link.open();
    }
    if (!this.#best) await this.#firstAnswer(signal);
    if (!this.#best) throw new Error("the Sentinels have not answered");
    return connectionTo(this.#best.address, this.#target, this.#tls);
  }

  onMove(listener: MoveListener): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    await Promise.all(this.#sentinels.map(({ link }) => link.close()));
  }

  #firstAnswer(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error: Error | undefined) => {
        signal.removeEventListener("abort", onAbort);
        this.#waiting = this.#waiting.filter((other) => other !== end);
        if (error) reject(error);
        else resolve();
      };
      const onAbort = () => {
        end(new Error("the Sentinels have not answered in time"));
      };
      signal.addEventListener("abort", onAbort);
      this.#waiting.push(end);
      this.#decide();
    });
  }

  /** Told of each news of a Sentinel. */
  #decide(): void {
    let best: Answer | undefined;
    for (const { answer } of this.#sentinels) {
      if (answer && answer.epoch > (best?.epoch ?? -1)) best = answer;
    }
    if (!best) {
      const troubles = this.#sentinels.map(({ trouble }) => trouble);
      const [trouble] = troubles;
      // Where some have not been heard of yet, there is hope.
      if (trouble && !troubles.includes(undefined)) {
        const what = `no Sentinel says where the primary is: ${trouble.message}`;
        const error = new Error(what, { cause: trouble });
        for (const end of this.#waiting) end(error);
        this.guides.note(error);
      }
      return;
    }
    this.guides.note(undefined);
    const before = this.#best;
    this.#best = best;
    for (const end of this.#waiting) end(undefined);
    if (!before || hostAndPort(before.address) === hostAndPort(best.address)) return;
    const cause = new Error("another Redis is the primary now, say the Sentinels");
    for (const listener of this.#listeners) listener(cause);
  }
}

/** Whether any of the Sentinels says where the primary is. */
class SentinelsHeard implements Guides {
  readonly #sentinels: readonly Sentinel[];
  trouble: Error | undefined = new Error("the Sentinels have not answered yet");
  readonly #listeners: ((trouble: Error | undefined) => void)[] = [];
  #isTold = false;

  constructor(sentinels: readonly Sentinel[]) {
    this.#sentinels = sentinels;
  }

  each(): readonly { readonly name: string; readonly trouble: Error | undefined }[] {
    return this.#sentinels.map(({ name, link: { trouble } }) => ({ name, trouble }));
  }

  onOne(listener: (name: string, trouble: Error | undefined) => void): void {
    for (const sentinel of this.#sentinels) {
      sentinel.onChange((trouble) => {
        listener(sentinel.name, trouble);
      });
    }
  }

  onChange(listener: (trouble: Error | undefined) => void): void {
    this.#listeners.push(listener);
  }

  note(trouble: Error | undefined): void {
    this.trouble = trouble;
    if ((trouble !== undefined) === this.#isTold) return;
    this.#isTold = trouble !== undefined;
    for (const listener of this.#listeners) listener(trouble);
  }
}

/** One of the Sentinels, asked again and again. */
class Sentinel {
  readonly name: string;
  readonly link: Link;
  /** What it said last, on the connection that there is. */
  answer: Answer | undefined;
  /** Why it has not answered. */
  trouble: Error | undefined;
  #isAsked = false;
  #isAway = false;
  readonly #listeners: ((trouble: Error | undefined) => void)[] = [];

  constructor(address: RedisAddress, target: SentinelTarget, tls: TlsSource, onNews: () => void) {
    const { isTls, name } = target;
    this.name = hostAndPort(address);
    const route: RedisRoute = {
      name: this.name,
      // Most want no password; where one does, it is that of Redis.
      next: () => connectionTo(address, this.#isAsked ? target : { isTls }, tls),
      onMove: () => undefined,
      close: () => Promise.resolve(),
    };
    this.link = new Link(route, {
      timeoutMs: SENTINEL_TIMEOUT_MS,
      prove: async (inTime) => {
        const { client } = this.link;
        const asked = Promise.all([
          // During a failover it leads to the new one as soon as that is promoted; the other has the old one then.
          client.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]),
          client.sendCommand(["SENTINEL", "MASTER", name]),
        ]);
        const [place, state] = await inTime(asked);
        this.answer = readAnswer(place, state);
        this.trouble = undefined;
        onNews();
        this.#note(undefined);
      },
      onError: (error) => {
        const isToBeAsked = error.message.startsWith("NOAUTH") && !this.#isAsked;
        if (isToBeAsked) this.#isAsked = true;
        this.answer = undefined;
        this.trouble = error;
        onNews();
        if (!isToBeAsked) this.#note(error);
      },
    });
  }

  /** Told when it ceases to answer, and with `undefined` when it answers again. */
  onChange(listener: (trouble: Error | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #note(trouble: Error | undefined): void {
    if (this.#isAway === (trouble !== undefined)) return;
    this.#isAway = trouble !== undefined;
    for (const listener of this.#listeners) listener(trouble);
  }
}

function readAnswer(place: unknown, state: unknown): Answer {
  const [host, port] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  const epoch = Number(fieldsOf(state).get("config-epoch"));
  if (typeof host !== "string" || !Number.isInteger(Number(port)) || !Number.isInteger(epoch)) {
    throw new Error("a Sentinel has given an answer that is none");
  }
  return { address: { host, port: Number(port) }, epoch };
}
