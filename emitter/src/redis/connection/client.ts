import { setTimeout as delay } from "node:timers/promises";
import { createClient, ErrorReply } from "redis";
import type { RedisAddress } from "./redis-url.js";
import type { tlsOptions } from "./tls.js";

const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** A client of the `redis` package, as a {@link Link} makes it. */
export type RedisClient = ReturnType<typeof createBlankClient>;

/** Where a connection goes, and by which user. */
export interface ConnectionOptions {
  readonly username?: string;
  readonly password?: string;
  readonly socket: RedisAddress & Partial<ReturnType<typeof tlsOptions>>;
}

/**
 * A client that leads nowhere, to be duplicated for one connection each: what it was asked on that never goes out on
 * another. What it is asked itself fails at once.
 */
export function createBlankClient() {
  return createClient({
    disableOfflineQueue: true,
    // None: the link ends what is not answered, and an AbortSignal for each command costs more than all the rest.
    commandOptions: { timeout: 0 },
  });
}

/** How long to wait before the next attempt to connect, in milliseconds: for ever, and soon, but not all the time. */
export function reconnectDelayMs(failures: number): number {
  const limit = Math.min(FIRST_RECONNECT_MS * 2 ** Math.min(failures, 10), LAST_RECONNECT_MS);
  // Jitter, so that processes that lost Redis together do not come back together.
  return limit / 2 + (Math.random() * limit) / 2;
}

/** Whether Redis itself said so, which is an answer: what else rejects has had none. */
export function isReply(error: unknown): error is Error {
  return error instanceof ErrorReply;
}

/** Whether Redis said that it is a replica: its primary is somebody else now. In a script the word is not the first. */
export function isReadOnly(error: unknown): error is Error {
  return isReply(error) && /\bREADONLY\b/.test(error.message);
}

/** Closes a client, without waiting for a Redis that does not answer. Never rejects. */
export async function closeRedisClient(client: RedisClient): Promise<void> {
  if (client.isReady) {
    // It waits for answers, which a Redis that hangs never gives, and for ever where the connection breaks meanwhile.
    const closed = client.close().catch(() => undefined);
    const waiting = new AbortController();
    await Promise.race([
      closed,
      delay(CLOSE_TIMEOUT_MS, undefined, waiting).catch(() => undefined),
    ]);
    waiting.abort();
  }
  // Nothing where it is closed.
  client.destroy();
}

/** A map of Redis is an object, or, in the older protocol, a list of names and values. */
export function fieldsOf(reply: unknown): ReadonlyMap<unknown, unknown> {
  if (!Array.isArray(reply)) return new Map(Object.entries(reply ?? {}));
  const list = reply as readonly unknown[];
  return new Map(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]] as const] : [])));
}
