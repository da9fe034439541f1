import { EmitterError } from "./errors.js";
import { Emitter } from "./emitter.js";
import { HttpPublisher } from "./http/http-publisher.js";
import { connectRedis, refuseDatabase } from "./redis/connect-redis.js";
import type { RedisCommands } from "./redis/publish-script.js";
import { DEFAULT_HISTORY_LIMITS, RedisPublisher } from "./redis/redis-publisher.js";

/** How to connect. */
export interface ConnectOptions {
  /** `http://` and `https://` only: a publish key of the server, or a token with the role `publisher`. */
  readonly key?: string;
  /** Redis only: newest events kept for each room. Default 1,000; use the server's `HISTORY_LIMIT`. */
  readonly historyLimit?: number;
  /** Redis only: bytes of events kept for each room. Default 4,194,304; use the server's `HISTORY_MAX_BYTES`. */
  readonly historyMaxBytes?: number;
  /** Redis only: how long a room's history outlives its newest event, in seconds. Default 21,600; use the server's. */
  readonly historyTtlS?: number;
  /** Redis only: how long to wait for the first connection, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Redis only: how long a connection that is open and does not answer may go unnoticed, in milliseconds. It is then
   * made anew; an attempt to connect is given up after half of that. Default 5,000: within 10 s it works again.
   */
  readonly linkTimeoutMs?: number;
  /** Told of connection errors while the emitter reconnects by itself. Default: nobody. */
  readonly onError?: (error: Error) => void;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_LINK_TIMEOUT_MS = 5_000;

/**
 * Connects to what carries the events: Redis, or a server's HTTP API.
 *
 * @param target - `redis://`, `rediss://`, `http://` or `https://` URL, or an existing client of the `redis` package
 *   (which stays yours: `close` leaves it open, and that it does not hang is yours to see to)
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
    historyMaxBytes: wholeNumber(
      "historyMaxBytes",
      options.historyMaxBytes,
      DEFAULT_HISTORY_LIMITS.historyMaxBytes,
    ),
    historyTtlMs:
      wholeNumber("historyTtlS", options.historyTtlS, DEFAULT_HISTORY_LIMITS.historyTtlMs / 1_000) *
      1_000,
  };
  if (typeof target !== "string" && !(target instanceof URL)) {
    await refuseDatabase(target, options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS);
    return new Emitter(new RedisPublisher(target, limits, () => Promise.resolve()));
  }
  const url = parseTarget(target);
  switch (url.protocol) {
    case "http:":
    case "https:":
      return new Emitter(new HttpPublisher(url, options.key));
    case "redis:":
    case "rediss:": {
      const { onError } = options;
      const { commands, clock, close } = await connectRedis(url, {
        connectTimeoutMs: wholeNumber(
          "connectTimeoutMs",
          options.connectTimeoutMs,
          DEFAULT_CONNECT_TIMEOUT_MS,
        ),
        linkTimeoutMs: wholeNumber("linkTimeoutMs", options.linkTimeoutMs, DEFAULT_LINK_TIMEOUT_MS),
        ...(onError && { onError }),
      });
      return new Emitter(new RedisPublisher(commands, limits, close, clock));
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

function wholeNumber(name: string, value: number | undefined, fallback: number): number {
  const number = value ?? fallback;
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new EmitterError("invalid_option", `${name} must be a whole number above 0`);
}
