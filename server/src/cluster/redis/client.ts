import { reconnectDelayMs } from "@inthon/emitter";
import { createClient } from "redis";
import type { Logger } from "../../telemetry/log.js";

/** A client of the `redis` package, as this server uses it. */
export type RedisClient = ReturnType<typeof createRedisClient>;

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
      reconnectStrategy: reconnectDelayMs,
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
