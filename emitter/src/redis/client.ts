import { createClient, ErrorReply } from "redis";

const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** A client of the `redis` package, as a {@link Link} makes it. */
export type RedisClient = ReturnType<typeof createRedisClient>;

/**
 * A client that never connects again by itself: what it was asked on one connection never goes out on another.
 *
 * @param connectTimeoutMs - how long TCP and TLS may take, in milliseconds
 * @throws TypeError where the URL is not one of a Redis
 */
export function createRedisClient(url: string, connectTimeoutMs: number) {
  return createClient({
    url,
    disableOfflineQueue: true,
    // None: the link ends what is not answered, and an AbortSignal for each command costs more than all the rest.
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: false },
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

/** Closes a client, without waiting for a Redis that does not answer. */
export async function closeRedisClient(client: RedisClient): Promise<void> {
  // `close` waits for answers, which a Redis that hangs never gives.
  const giveUp = setTimeout(() => {
    client.destroy();
  }, CLOSE_TIMEOUT_MS);
  try {
    if (client.isReady) await client.close();
    else client.destroy();
  } catch {
    // Destroyed meanwhile: closed all the same.
  } finally {
    clearTimeout(giveUp);
  }
}
