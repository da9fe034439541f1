/** What one owner of an address has of this replica. */
export interface Owner {
  readonly name: string;
  /** Connections of clients. */
  connections: number;
  /** Sockets on which there is none: new ones, and those of HTTP. */
  sockets: number;
  /** What is left of its new connections, as of `at`. */
  tokens: number;
  /** When that was, in ms of the process's own clock. */
  at: number;
  /** What each of its sockets and connections takes up. */
  readonly places: Readonly<Record<"socket" | "connection", Place>>;
}

/** What a socket or a connection takes up, and whose it is. */
export interface Place {
  readonly kind: "socket" | "connection";
  readonly owner: Owner | undefined;
}

/** Where nobody knows whose it is. */
export const NOBODYS: Owner["places"] = {
  socket: { kind: "socket", owner: undefined },
  connection: { kind: "connection", owner: undefined },
};

export interface NewConnections {
  /** In a second, over a longer time. */
  readonly perS: number;
  /** At once. */
  readonly burst: number;
}

/** So few may be kept that could be forgotten, before it is looked for them. */
const MIN_SWEEP = 1_024;
/** At this number whoever has nothing is forgotten, and with it how many connections he has just made. */
const MAX_OWNERS = 100_000;

/** Who has something of this replica, and who had so lately that it still counts. */
export class Owners {
  readonly #owners = new Map<string, Owner>();
  readonly #limit: NewConnections;
  #sweepAt = MIN_SWEEP;

  constructor(limit: NewConnections) {
    this.#limit = limit;
  }

  /** For tests and metrics. */
  get size(): number {
    return this.#owners.size;
  }

  find(name: string): Owner {
    const known = this.#owners.get(name);
    if (known) return known;
    if (this.#owners.size >= this.#sweepAt) this.#sweep();
    const { burst: tokens } = this.#limit;
    const owner = newOwner(name, tokens);
    this.#owners.set(name, owner);
    return owner;
  }

  /** Takes one new connection from what an owner has, or says that there is none left. */
  takeNew(owner: Owner): boolean {
    this.#refill(owner);
    if (owner.tokens < 1) return false;
    owner.tokens--;
    return true;
  }

  /** To be called when an owner has something less. */
  forgetIfIdle(owner: Owner): void {
    if (this.#isForgotten(owner)) this.#owners.delete(owner.name);
  }

  #refill(owner: Owner): void {
    const now = performance.now();
    const { perS, burst } = this.#limit;
    owner.tokens = Math.min(burst, owner.tokens + ((now - owner.at) / 1_000) * perS);
    owner.at = now;
  }

  #isForgotten(owner: Owner): boolean {
    if (hasSomething(owner)) return false;
    this.#refill(owner);
    return owner.tokens >= this.#limit.burst;
  }

  /** Looks at all, so seldom that it costs each new owner no more than a look at two. */
  #sweep(): void {
    for (const owner of this.#owners.values()) this.forgetIfIdle(owner);
    if (this.#owners.size >= MAX_OWNERS) {
      for (const owner of this.#owners.values()) {
        if (!hasSomething(owner)) this.#owners.delete(owner.name);
      }
    }
    this.#sweepAt = Math.max(MIN_SWEEP, Math.min(2 * this.#owners.size, MAX_OWNERS));
  }
}

function newOwner(name: string, tokens: number): Owner {
  const places: Record<Place["kind"], Place> = { ...NOBODYS };
  const owner = { name, connections: 0, sockets: 0, tokens, at: performance.now(), places };
  places.socket = { kind: "socket", owner };
  places.connection = { kind: "connection", owner };
  return owner;
}

function hasSomething({ connections, sockets }: Owner): boolean {
  return connections > 0 || sockets > 0;
}
