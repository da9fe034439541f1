import { setTimeout as delay } from "node:timers/promises";
import {
  closeRedisClient,
  createBlankClient,
  reconnectDelayMs,
  type RedisClient,
} from "./client.js";
import { asked } from "./other-kind.js";
import type { RedisAddress } from "./redis-url.js";
import type { RedisRoute } from "./route.js";
import { explained } from "./tls-refused.js";

// Of the time that a connection which does not work may go unnoticed. A proof that needs an answer first, and then a
// message, begins one interval late and takes both: 1/5 + 1/5 + 3/5.
const PROOF_INTERVAL = 1 / 5;
const PROOF_DEADLINE = 3 / 5;
/** For finding out where it goes, TCP, TLS and the handshake. */
const CONNECT_DEADLINE = 1 / 2;

/**
 * Settles as the promise does; rejects where it takes longer than a proof may, or where the connection ends before.
 */
export type InTime = <T>(promise: Promise<T>) => Promise<T>;

/** What a link does with each of its connections. */
export interface LinkOptions {
  /** How long a connection that is open and does not work may go unnoticed, in milliseconds. */
  readonly timeoutMs: number;
  /** Done once for each new connection, before its first proof; rejects where it is of no use. */
  readonly prepare?: (inTime: InTime) => Promise<void>;
  /** Resolves when the connection has just shown that it works; rejects where another one is needed. */
  readonly prove: (inTime: InTime) => Promise<void>;
  /** Told of each connection that failed, and of each attempt. */
  readonly onError?: (error: Error) => void;
}

/** Told when a link begins to work, and when it ceases to, with the cause; of an outage once. */
export type LinkListener = (isUp: boolean, cause: Error | undefined) => void;

/**
 * Clients of the `redis` package, one after the other, whose connections prove themselves again and again.
 *
 * Invariant: one that does not prove itself in time is dropped, with everything that waits for an answer on it, and made
 * anew, for ever. TCP cannot tell: behind a proxy an open connection may be silent for minutes. A connection that hangs
 * is noticed after `timeoutMs` at the latest, an attempt to make one after half of that.
 */
export class Link {
  readonly #route: RedisRoute;
  readonly #options: LinkOptions;
  readonly #listeners: LinkListener[] = [];
  readonly #closing = new AbortController();
  readonly #blank = createBlankClient();
  #client = this.#blank;
  /** Aborted with the cause when the present connection is to end. */
  #connection = new AbortController();
  /** Where the present attempt goes, as long as nothing has been answered there. */
  #attempt: { readonly address: RedisAddress; readonly isTls: boolean } | undefined;
  #hasBeenUp = false;
  #isUp = false;
  #cause: Error | undefined;
  #proofBegan: number | undefined;
  /** Between two attempts. */
  #pause = new AbortController();
  #droppedAt = -Infinity;
  #mustWait = false;

  /** @param route - where its connections go; the link's alone or shared, and not the link's to close */
  constructor(route: RedisRoute, options: LinkOptions) {
    this.#route = route;
    this.#options = options;
    route.onMove((cause) => {
      this.drop(cause);
      this.#pause.abort();
    });
  }

  /** That of the present connection: another one after each. Its commands fail at once where there is no connection. */
  get client(): RedisClient {
    return this.#client;
  }

  /** Whether there has been neither a connection that works nor an attempt that failed. */
  get isNew(): boolean {
    return !this.#isUp && this.#cause === undefined;
  }

  /** Whether the connection has proved itself, and not been given up since. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Why the link does not work, as far as that is known; `undefined` where it does. */
  get trouble(): Error | undefined {
    if (!this.#isUp) return this.#cause ?? new Error("there has been no connection yet");
    const silentMs = this.#proofBegan === undefined ? 0 : performance.now() - this.#proofBegan;
    return silentMs > this.#intervalMs ? silence(silentMs) : undefined;
  }

  onChange(listener: LinkListener): void {
    this.#listeners.push(listener);
  }

  /** Begins to connect, for ever. */
  open(): void {
    void this.#run();
  }

  /** Leaves the present connection for a new one: at once, or in a second where that has just been done. */
  drop(cause: Error): void {
    if (this.#connection.signal.aborted) return;
    const now = performance.now();
    this.#mustWait = now - this.#droppedAt < this.#options.timeoutMs;
    this.#droppedAt = now;
    this.#connection.abort(cause);
  }

  /** Lets what is under way end, for a second at most. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#pause.abort();
    this.#connection.abort(new Error("the link is closed"));
    await closeRedisClient(this.#client);
    this.#blank.destroy();
  }

  get #intervalMs(): number {
    return this.#options.timeoutMs * PROOF_INTERVAL;
  }

  async #run(): Promise<void> {
    let failures = 0;
    const closing = this.#closing.signal;
    const isClosing = () => closing.aborted;
    while (!isClosing()) {
      const connection = (this.#connection = new AbortController());
      const { signal } = connection;
      const connected = this.#connect(connection);
      connected.catch(() => undefined);
      try {
        await inTime(connected, this.#options.timeoutMs * CONNECT_DEADLINE, signal);
        await this.#live(signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (isClosing()) return;
        connection.abort(error);
        this.#fail(toError(this.#explain(error)));
      }
      this.#client.destroy();
      // One that is still connecting ends by the limit of TCP and TLS: the next one, which may go elsewhere, need not wait.
      const pauseMs = reconnectDelayMs(this.#mustWait ? Infinity : failures++);
      this.#mustWait = false;
      const { signal: over } = (this.#pause = new AbortController());
      await delay(pauseMs, undefined, { signal: over }).catch(() => undefined);
    }
  }

  async #connect(connection: AbortController): Promise<void> {
    const { signal } = connection;
    this.#attempt = undefined;
    const options = await this.#route.next(signal);
    signal.throwIfAborted();
    const attempt = { address: options.socket, isTls: options.socket.tls === true };
    this.#attempt = attempt;
    const client = this.#blank.duplicate({
      ...options,
      socket: {
        ...options.socket,
        connectTimeout: this.#options.timeoutMs * CONNECT_DEADLINE,
        reconnectStrategy: false,
      },
    });
    // Not every error breaks the connection, but after each one answers may go to the wrong questions.
    client.on("error", (error: unknown) => {
      connection.abort(toError(explained(error, options.socket)));
    });
    client.on("ready", () => {
      if (this.#attempt === attempt) this.#attempt = undefined;
    });
    // The client can be destroyed while it connects, and then connects all the same.
    client.on("connect", () => {
      if (signal.aborted) client.destroy();
    });
    this.#client = client;
    await client.connect().catch((error: unknown) => {
      throw toError(explained(error, options.socket));
    });
  }

  /** Rejects with what ends the connection. */
  async #live(signal: AbortSignal, onProved: () => void): Promise<never> {
    const { timeoutMs, prepare, prove } = this.#options;
    const soon: InTime = (promise) => inTime(promise, timeoutMs * PROOF_DEADLINE, signal);
    try {
      await prepare?.(soon);
      for (;;) {
        this.#proofBegan = performance.now();
        await prove(soon);
        this.#proofBegan = undefined;
        signal.throwIfAborted();
        onProved();
        this.#succeed();
        await delay(this.#intervalMs, undefined, { signal }).catch(() => undefined);
        signal.throwIfAborted();
      }
    } finally {
      this.#proofBegan = undefined;
    }
  }

  /** One that has worked is away now; of one that never did, the URL may be wrong. */
  #explain(error: unknown): unknown {
    if (!this.#attempt || this.#hasBeenUp) return error;
    return asked(error, this.#attempt.address, this.#attempt.isTls);
  }

  #succeed(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#hasBeenUp = true;
    this.#cause = undefined;
    for (const listener of this.#listeners) listener(true, undefined);
  }

  #fail(error: Error): void {
    const isNews = this.#isUp || this.#cause === undefined;
    this.#isUp = false;
    this.#cause = error;
    this.#options.onError?.(error);
    if (isNews) for (const listener of this.#listeners) listener(false, error);
  }
}

function inTime<T>(promise: Promise<T>, limitMs: number, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      end();
      reject(toError(signal.reason));
    };
    const timer = setTimeout(() => {
      // What arrived while this process was busy or frozen is read before this, and counts.
      setImmediate(() => {
        end();
        reject(silence(limitMs));
      });
    }, limitMs);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
    promise.then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(toError(error));
      },
    );
  });
}

function silence(ms: number): Error {
  return new Error(`Redis has not answered for ${String(Math.round(ms))} ms`);
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("the connection failed", { cause: error });
}
