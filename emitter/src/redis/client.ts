const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** What is used of a client of the `redis` package to end it. */
interface ClosableClient {
  readonly isReady: boolean;
  close(): Promise<unknown>;
  destroy(): void;
}

/** How long a client waits before it tries to connect again, in milliseconds: for ever, and soon, but not all the time. */
export function reconnectDelayMs(retries: number): number {
  return Math.min(FIRST_RECONNECT_MS * 2 ** Math.min(retries, 10), LAST_RECONNECT_MS);
}

/** Closes a client, without waiting for a Redis that does not answer. */
export async function closeRedisClient(client: ClosableClient): Promise<void> {
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
