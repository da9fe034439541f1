import { createClient } from "redis";
import { EmitterError } from "./errors.js";
import { Emitter } from "./emitter.js";
import { HttpPublisher } from "./http/http-publisher.js";
import { closeRedisClient, reconnectDelayMs } from "./redis/client.js";
import type { RedisCommands } from "./redis/publish-script.js";
import { DEFAULT_HISTORY_LIMITS, RedisPublisher } from "./redis/redis-publisher.js";

/** How to connect. */
export interface ConnectOptions {
  /** `http://` and `https://` only: a publish key of the server. */
  readonly key?: string;
  /** Redis only: newest events kept for each room. Default 1,000; use the server's `HISTORY_LIMIT`. */
  readonly historyLimit?: number;
  /** Redis only: how long a room's history outlives its newest event, in seconds. Default 21,600; use the server's. */
  readonly historyTtlS?: number;
  /** How long to wait for the first connection, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Told of connection errors while the emitter reconnects by itself. Default: nobody. */
  readonly onError?: (error: Error) => void;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;

/**
 * Connects to what carries the events: Redis, or a server's HTTP API.
 *
 * @param target - `redis://`, `rediss://`, `http://` or `https://` URL, or an existing client of the `redis` package
 *   (which stays yours: `close` leaves it open)
 * @throws EmitterError `invalid_option` for a bad target or option, `unavailable` where nothing answers in time
 */
export async function connect(
  target: string | URL | RedisCommands,
  options: ConnectOptions = {},
): Promise<Emitter> {
  const limits = {
    historyLimit: wholeNumber(
      "historyLimit",
      options.historyLimit,
      DEFAULT_HISTORY_LIMITS.historyLimit,
    ),
    historyTtlMs:
      wholeNumber("historyTtlS", options.historyTtlS, DEFAULT_HISTORY_LIMITS.historyTtlMs / 1_000) *
      1_000,
  };
  if (typeof target !== "string" && !(target instanceof URL)) {
    return new Emitter(new RedisPublisher(target, limits, () => Promise.resolve()));
  }
  const url = parseTarget(target);
  switch (url.protocol) {
    case "http:":
    case "https:":
      return new Emitter(new HttpPublisher(url, options.key));
    case "redis:":
    case "rediss:": {
      const { client, close } = await connectRedis(url, options);
      return new Emitter(new RedisPublisher(client, limits, close));
    }
    default:
      throw new EmitterError(
        "invalid_option",
        "the target must begin with redis://, rediss://, http:// or https://",
      );
  }
}

function parseTarget(target: string | URL): URL {
  if (target instanceof URL) return target;
  if (!URL.canParse(target)) {
    // Not echoed: it may hold a password.
    throw new EmitterError("invalid_option", "the target is not a URL");
  }
  return new URL(target);
}

async function connectRedis(url: URL, options: ConnectOptions) {
  const timeoutMs = wholeNumber(
    "connectTimeoutMs",
    options.connectTimeoutMs,
    DEFAULT_CONNECT_TIMEOUT_MS,
  );
  const client = createRedis({
    url: url.href,
    // A command that could not be sent fails at once and is retried by `emit` as long as its caller still waits.
    disableOfflineQueue: true,
    // None: `emit` has a time limit of its own, and the client's, an AbortSignal for each command, costs more than the rest.
    commandOptions: { timeout: 0 },
    socket: {
      connectTimeout: timeoutMs,
      reconnectStrategy: reconnectDelayMs,
    },
  });
  let lastError: unknown;
  client.on("error", (error: Error) => {
    lastError = error;
    options.onError?.(error);
  });
  const connected = client.connect();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error("timed out"));
    }, timeoutMs);
  });
  try {
    await Promise.race([connected, timedOut]);
  } catch {
    connected.catch(() => undefined);
    client.destroy();
    throw new EmitterError("unavailable", `no Redis answered within ${String(timeoutMs)} ms`, {
      cause: lastError,
    });
  } finally {
    clearTimeout(timer);
  }
  return { client, close: () => closeRedisClient(client) };
}

function createRedis(options: Parameters<typeof createClient>[0]) {
  try {
    return createClient(options);
  } catch (cause) {
    // The cause may hold a password, but no more than the caller gave.
    throw new EmitterError("invalid_option", "the target is not a Redis URL", { cause });
  }
}

function wholeNumber(name: string, value: number | undefined, fallback: number): number {
  const number = value ?? fallback;
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new EmitterError("invalid_option", `${name} must be a whole number above 0`);
}
