import { EmitterError } from "./errors.js";
import { Emitter } from "./emitter.js";
import { HttpPublisher } from "./http/http-publisher.js";
import { attemptWithin } from "./http/attempt.js";
import { checkKey, untilAborted, type Key } from "./http/key.js";
import { readOptions } from "./options.js";
import { ClientRedises, isClusterClient } from "./redis/connection/cluster/client-redises.js";
import { connectRedis } from "./redis/connection/connect-redis.js";
import { parseRedisUrl, SCHEMES, type RedisTarget } from "./redis/connection/redis-url.js";
import { oneRedis } from "./redis/connection/room-redis.js";
import { tlsProblem, type RedisTls, type TlsSource } from "./redis/connection/tls.js";
import type { RedisCommands } from "./redis/publish-script.js";
import { checkGiven } from "./redis/given/given-client.js";
import type { IoredisClient } from "./redis/given/ioredis.js";
import { DEFAULT_HISTORY_LIMITS, RedisPublisher } from "./redis/redis-publisher.js";

/** How to connect. */
export interface ConnectOptions {
  /**
   * `http://` and `https://` only: a publish key of the server, or a token with the role `publisher`. A function is asked for
   * it at each attempt, within the time of the call, so that a token can be renewed; where it fails, it is asked again.
   */
  readonly key?: Key;
  /** Redis only: newest events kept for each room. Default 1,000; use the server's `HISTORY_LIMIT`. */
  readonly historyLimit?: number;
  /** Redis only: bytes of events kept for each room. Default 4,194,304; use the server's `HISTORY_MAX_BYTES`. */
  readonly historyMaxBytes?: number;
  /** Redis only: how long a room's history outlives its newest event, in seconds. Default 21,600; use the server's. */
  readonly historyTtlS?: number;
  /**
   * Redis only, by its URL: `emit` resolves once so many of its replicas have acknowledged the event, so that it outlives its
   * primary. Default 0, which waits for none; use the server's `REDIS_WAIT_REPLICAS`.
   */
  readonly waitReplicas?: number;
  /** Redis only: how long to wait for the first connection, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Redis only: how long a connection that is open and does not answer may go unnoticed, in milliseconds. It is then
   * made anew; an attempt to connect is given up after half of that. Default 5,000: within 10 s it works again.
   */
  readonly linkTimeoutMs?: number;
  /**
   * `rediss://` only: the certificates of who signs Redis's own, `ca`, and what this emitter shows where Redis asks for it, `cert`
   * and `key`, each as PEM. A function, sync or async, is asked at each connection, so that a certificate can be renewed.
   */
  readonly tls?: RedisTls | TlsSource;
  /** Told of connection errors while the emitter reconnects by itself. Default: nobody. */
  readonly onError?: (error: Error) => void;
}

const CONNECT_OPTIONS: ReadonlySet<string> = new Set<keyof ConnectOptions>([
  "key",
  "historyLimit",
  "historyMaxBytes",
  "historyTtlS",
  "waitReplicas",
  "connectTimeoutMs",
  "linkTimeoutMs",
  "tls",
  "onError",
]);
const TLS_OPTIONS: ReadonlySet<string> = new Set<keyof RedisTls>(["ca", "cert", "key"]);
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_LINK_TIMEOUT_MS = 5_000;
const NOT_OVER_HTTP =
  "waitReplicas is for Redis only: over HTTP the server waits, by its REDIS_WAIT_REPLICAS";
const NOT_WITH_A_CLIENT =
  "waitReplicas is for URLs of Redis only: waiting blocks a connection, so it needs one of its own";

/**
 * Connects to what carries the events: Redis, or a server's HTTP API. By a URL of Redis it resolves once Redis answers; over HTTP,
 * and with a client that you gave, nobody is asked yet, and where nobody answers the first `emit` says so.
 *
 * @param target - `redis://`, `redis+sentinel://`, `redis+cluster://` (each also with `rediss`), `http://` or `https://` URL, or a
 *   connected client, pool, Sentinel or cluster client of the `redis` package, or a client of ioredis (which stays yours: `close`
 *   leaves it open, and that it does not hang is yours to see to)
 * @throws EmitterError `invalid_option` for a bad target or option, `unavailable` where nothing answers in time
 */
export async function connect(
  target: string | URL | RedisCommands | IoredisClient,
  givenOptions: ConnectOptions = {},
): Promise<Emitter> {
  const options = readOptions("connect", givenOptions, CONNECT_OPTIONS);
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
  const waitReplicas = wholeNumber("waitReplicas", options.waitReplicas, 0, 0);
  const connectTimeoutMs = wholeNumber(
    "connectTimeoutMs",
    options.connectTimeoutMs,
    DEFAULT_CONNECT_TIMEOUT_MS,
  );
  checkKey(options.key);
  checkListener(options.onError);
  if (typeof target !== "string" && !(target instanceof URL)) {
    refuseKey(options);
    refuseTls(options);
    if (waitReplicas > 0) throw new EmitterError("invalid_option", NOT_WITH_A_CLIENT);
    const keepOpen = () => Promise.resolve();
    const { commands, mayRepeat } = await checkGiven(target, connectTimeoutMs);
    const redises = isClusterClient(commands)
      ? new ClientRedises(commands)
      : oneRedis({ commands, mayRepeat });
    return new Emitter(new RedisPublisher(redises, limits, keepOpen));
  }
  const text = String(target);
  if (/^https?:/i.test(text)) {
    refuseTls(options);
    if (waitReplicas > 0) throw new EmitterError("invalid_option", NOT_OVER_HTTP);
    const url = parseTarget(text);
    refuseParts(url);
    return new Emitter(new HttpPublisher(url, options.key));
  }
  const redis = parseRedis(text);
  refuseKey(options);
  const tls = await checkTls(redis, options, connectTimeoutMs);
  const { onError } = options;
  const { redises, close } = await connectRedis(redis, tls, {
    waitReplicas,
    connectTimeoutMs,
    linkTimeoutMs: wholeNumber("linkTimeoutMs", options.linkTimeoutMs, DEFAULT_LINK_TIMEOUT_MS),
    ...(onError && { onError }),
  });
  return new Emitter(new RedisPublisher(redises, limits, close));
}

function checkListener(onError: unknown): void {
  if (onError === undefined || typeof onError === "function") return;
  throw new EmitterError("invalid_option", "onError must be a function, which is given the error");
}

function parseRedis(text: string): RedisTarget {
  if (!/^rediss?(\+\w+)?:/i.test(text)) {
    const message = `the target must begin with http://, https://, ${SCHEMES}`;
    throw new EmitterError("invalid_option", message);
  }
  const target = parseRedisUrl(text);
  if (!("problem" in target)) return target;
  // Not echoed: it may hold a password.
  throw new EmitterError("invalid_option", `the target ${target.problem}`);
}

/** @returns what gives the certificates, which it has been tried for once */
async function checkTls(
  { isTls }: RedisTarget,
  options: ConnectOptions,
  timeoutMs: number,
): Promise<TlsSource> {
  if (!isTls) refuseTls(options);
  const { tls = {} } = options;
  const source = typeof tls === "function" ? tls : () => tls;
  const given = await certificatesOf(source, timeoutMs);
  const problem = tlsProblem(readOptions("tls", given, TLS_OPTIONS));
  if (problem === undefined) return source;
  throw new EmitterError("invalid_option", `tls ${problem}`);
}

async function certificatesOf(source: TlsSource, timeoutMs: number): Promise<RedisTls> {
  const { signal } = new AbortController();
  let given: unknown;
  try {
    given = await attemptWithin(timeoutMs, signal, (late) =>
      untilAborted(late, async () => source()),
    );
  } catch (cause) {
    throw new EmitterError("unavailable", "the function that gives tls failed", { cause });
  }
  if (typeof given === "object" && given !== null) return given;
  throw new EmitterError(
    "invalid_option",
    "tls must be { ca, cert, key }, or a function that gives it",
  );
}

function refuseTls({ tls }: ConnectOptions): void {
  if (tls === undefined) return;
  throw new EmitterError("invalid_option", "tls is for rediss:// only");
}

function refuseKey({ key }: ConnectOptions): void {
  if (key === undefined) return;
  const message =
    "key is for http:// and https:// only: a user and password of Redis are in its URL";
  throw new EmitterError("invalid_option", message);
}

/** A path is where the server is, behind a proxy; the rest has no meaning, and `fetch` takes no password in a URL. */
function refuseParts({ username, password, search, hash, pathname }: URL): void {
  if (username !== "" || password !== "") {
    throw new EmitterError(
      "invalid_option",
      "the target holds a user or a password: give the key as { key }",
    );
  }
  if (search !== "" || hash !== "") {
    throw new EmitterError("invalid_option", "the target must end behind its host, port and path");
  }
  if (/\/(socket\.io|ws\/session\/.*)\/?$/.test(pathname)) {
    const message = "the target is where clients connect: give the server's URL without this path";
    throw new EmitterError("invalid_option", message);
  }
}

function parseTarget(target: string): URL {
  if (URL.canParse(target)) return new URL(target);
  // Not echoed: it may hold a password.
  throw new EmitterError("invalid_option", "the target is not a URL");
}

function wholeNumber(name: string, value: number | undefined, fallback: number, least = 1): number {
  const number = value ?? fallback;
  if (Number.isSafeInteger(number) && number >= least) return number;
  const message = `${name} must be a whole number, ${String(least)} or more`;
  throw new EmitterError("invalid_option", message);
}
