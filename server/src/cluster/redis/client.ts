import { createClient } from "redis";
import type { Logger } from "../../telemetry/log.js";

/** A client of the `redis` package, as this server uses it. */
export type RedisClient = ReturnType<typeof createRedisClient>;

const MAX_RECONNECT_DELAY_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * A client that reconnects for ever and never ends the process.
 *
 * @param purpose - `commands` fail at once while Redis is away, so that whoever waits can say so; `subscriptions` wait
 */
export function createRedisClient(url: string, purpose: "commands" | "subscriptions", log: Logger) {
  const client = createClient({
    url,
    disableOfflineQueue: purpose === "commands",
    socket: {
      connectTimeout: 2_000,
      reconnectStrategy: (retries) =>
        Math.min(50 * 2 ** Math.min(retries, 10), MAX_RECONNECT_DELAY_MS),
    },
  });
  let isDown = false;
  client.on("error", (error: unknown) => {
    // Once for each outage: the client reports every failed attempt.
    if (!isDown) log.error({ err: error, purpose }, "Redis is away, reconnecting");
    isDown = true;
  });
  client.on("ready", () => {
    if (isDown) log.info({ purpose }, "Redis is back");
    isDown = false;
  });
  // Settles when connected, after however many attempts; failures are logged above.
  client.connect().catch(() => undefined);
  return client;
}

/** Closes a client, without waiting for a Redis that does not answer. */
export async function closeRedisClient(client: RedisClient): Promise<void> {
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
