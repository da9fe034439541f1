import { isReply, Link, type ClusterMaster } from "@inthon/emitter";

/** How long a link outlives its last use, in milliseconds. */
const GUEST_MS = 30_000;
/** More than one reshard has at a time. */
const MAX_GUESTS = 10;

interface Guest {
  readonly link: Link;
  /** Closes it. */
  readonly timer: NodeJS.Timeout;
}

/**
 * Links to nodes that have no slot yet: what has gone over to one of its first slot is there, also where the reshard broke off.
 * There is one as long as somebody is sent on to it (`ASK`).
 */
export class GuestLinks {
  readonly #timeoutMs: number;
  /** By the names of the nodes, those used first in front. */
  readonly #guests = new Map<string, Guest>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  /** @param timeoutMs - as {@link LinkOptions.timeoutMs} */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** One that is there, or is being opened; `undefined` where all are closed. */
  to({ name, route }: ClusterMaster): Link | undefined {
    if (this.#isClosed) return undefined;
    const known = this.#guests.get(name);
    if (known) {
      known.timer.refresh();
      return known.link;
    }
    for (const other of this.#guests.keys()) {
      if (this.#guests.size >= MAX_GUESTS) this.#leave(other);
    }
    const link: Link = new Link(route, {
      timeoutMs: this.#timeoutMs,
      prove: async (inTime) => {
        // Whatever it answers, it answers.
        await inTime(link.client.ping()).catch((error: unknown) => {
          if (!isReply(error)) throw error;
        });
      },
    });
    const timer = setTimeout(() => {
      this.#leave(name);
    }, GUEST_MS);
    this.#guests.set(name, { link, timer });
    link.open();
    return link;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const name of this.#guests.keys()) this.#leave(name);
    await Promise.all(this.#closing);
  }

  #leave(name: string): void {
    const guest = this.#guests.get(name);
    if (!guest) return;
    this.#guests.delete(name);
    clearTimeout(guest.timer);
    const closed = guest.link.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}
