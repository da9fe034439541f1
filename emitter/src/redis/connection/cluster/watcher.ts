import type { ConnectionOptions } from "../client.js";
import { Link } from "../link.js";
import { hostAndPort, type RedisAddress } from "../redis-url.js";
import type { RedisRoute } from "../route.js";
import { readView, summaryOf, type ClusterView } from "./cluster-view.js";

/** A node is asked every fifth of it, and one that hangs is noticed after it. */
const WATCH_TIMEOUT_MS = 2_500;
/** What has changed may go on changing, without a sign, while the nodes tell each other: so many times all is asked again. */
const SETTLING = 6;
/** Without a sign, all is asked so often: it costs the more, the larger the cluster. */
const ALL_EVERY = 10;
const MIN_HURRY_MS = 100;

export interface WatcherOptions {
  /** Which node to ask next: another one after each failure. */
  readonly next: () => RedisAddress;
  readonly connectionTo: (address: RedisAddress) => Promise<ConnectionOptions>;
  /** Told after each answer, and after each failure. */
  readonly onNews: () => void;
  /** Told of each connection that failed. */
  readonly onError: (error: Error) => void;
}

/** Asks one node after the other how the cluster is: the same one, as long as that answers. */
export class Watcher {
  readonly #link: Link;
  readonly #options: WatcherOptions;
  /** Whom it asks. */
  address: RedisAddress | undefined;
  /** What that said last, on the connection that there is; the same object, where it is the same. */
  view: ClusterView | undefined;
  /** Why there is none. */
  trouble: Error | undefined;
  #summary = "";
  #answers = 0;
  #settling = 0;
  #hurriedAt = -Infinity;

  constructor(options: WatcherOptions) {
    this.#options = options;
    const route: RedisRoute = {
      name: "a node of the cluster",
      next: () => {
        this.address = options.next();
        this.#summary = "";
        return options.connectionTo(this.address);
      },
      onMove: () => undefined,
      close: () => Promise.resolve(),
    };
    this.#link = new Link(route, {
      timeoutMs: WATCH_TIMEOUT_MS,
      prove: (inTime) => inTime(this.#ask()),
      onError: (cause) => {
        const at = this.address ? hostAndPort(this.address) : "no node";
        this.view = undefined;
        this.trouble = new Error(`${at}: ${cause.message}`, { cause });
        options.onNews();
        options.onError(cause);
      },
    });
  }

  open(): void {
    this.#link.open();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  /** Goes on to another node. */
  leave(cause: Error): void {
    this.#link.drop(cause);
  }

  /** Asks at once: what it knows is not true any more. */
  hurry(): void {
    this.#settling = SETTLING;
    const now = performance.now();
    if (now - this.#hurriedAt < MIN_HURRY_MS) return;
    this.#hurriedAt = now;
    // Where it is not answered, the link finds out.
    this.#ask().catch(() => undefined);
  }

  async #ask(): Promise<void> {
    const { client } = this.#link;
    const { address } = this;
    if (!address) throw new Error("no node of the cluster is known");
    const summary = summaryOf(await client.sendCommand(["CLUSTER", "INFO"]));
    if (summary !== this.#summary) {
      this.#summary = summary;
      this.#settling = SETTLING;
    }
    const isDue = this.#answers++ % ALL_EVERY === 0;
    if (this.#settling > 0 || isDue || !this.view) {
      this.#settling = Math.max(this.#settling - 1, 0);
      const [nodes, slots] = await Promise.all([
        client.sendCommand(["CLUSTER", "NODES"]),
        client.sendCommand(["CLUSTER", "SLOTS"]),
      ]);
      // Meanwhile it may have gone on to another one.
      if (client !== this.#link.client) return;
      const view = readView(address, summary, nodes, slots);
      if (view.text !== this.view?.text) this.view = view;
    }
    this.trouble = undefined;
    this.#options.onNews();
  }
}
