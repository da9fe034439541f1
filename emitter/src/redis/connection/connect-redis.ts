import { setTimeout as delay } from "node:timers/promises";
import { EmitterError } from "../../errors.js";
import { isReadOnly, isReply } from "./client.js";
import { Link } from "./link.js";
import { Replicas } from "../replicas.js";
import type { RedisRoute } from "./route.js";
import { RedisClock } from "../redis-clock.js";
import type { RedisCommands } from "../publish-script.js";
import { toEmitterError } from "../redis-errors.js";
import { tlsRefusal } from "./tls-refused.js";

/** Times in milliseconds, checked. */
export interface RedisTargetOptions {
  readonly connectTimeoutMs: number;
  readonly linkTimeoutMs: number;
  /** Replicas of Redis that are waited for; 0 for none. */
  readonly waitReplicas: number;
  readonly onError?: (error: Error) => void;
}

const OTHER_DATABASE =
  "the client works on a database number other than 0: Pub/Sub has none, so two databases of one Redis would hear each other. Use another Redis to keep things apart";

/** What an emitter needs of a Redis of its own. */
export interface OwnRedis {
  readonly commands: RedisCommands;
  readonly clock: RedisClock;
  readonly replicas: Replicas | undefined;
  readonly close: () => Promise<void>;
}

/**
 * Links of the emitter's own to a Redis, once they work.
 *
 * @param route - closed with the links
 * @throws EmitterError `rejected` where Redis refuses its user, `unavailable` where none answers in time
 */
export async function connectRedis(
  route: RedisRoute,
  options: RedisTargetOptions,
): Promise<OwnRedis> {
  const { connectTimeoutMs, linkTimeoutMs: timeoutMs, waitReplicas: count, onError } = options;
  const clock = new RedisClock();
  const link = new Link(route, {
    timeoutMs,
    prove: async (inTime) => {
      const sentAt = performance.now();
      // Whatever it answers, it answers.
      const time = await inTime(link.client.sendCommand(["TIME"])).catch((error: unknown) => {
        if (!isReply(error)) throw error;
      });
      if (Array.isArray(time)) clock.compare(sentAt, time);
    },
    onError: (error) => {
      clock.forget();
      tell(error);
    },
  });
  let onFailure: (error: Error) => void = () => undefined;
  const tell = (error: Error) => {
    onFailure(error);
    onError?.(error);
  };
  route.guides?.onChange((trouble) => {
    if (trouble) onError?.(trouble);
  });
  const replicas =
    count === 0
      ? undefined
      : new Replicas(route, { count, linkTimeoutMs: timeoutMs, onError: tell });
  const links = replicas ? [link, replicas.link] : [link];
  const up = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      const cause = links.find(({ isUp }) => !isUp)?.trouble;
      const refusal = isReply(cause) ? toEmitterError(cause) : undefined;
      const within = `within ${String(connectTimeoutMs)} ms`;
      const message = refusal
        ? `${route.name} has been of no use ${within}: ${refusal.message}`
        : `no Redis answered at ${route.name} ${within}: ${cause?.message ?? ""}`;
      reject(new EmitterError(refusal?.code ?? "unavailable", message, { cause }));
    }, connectTimeoutMs);
    onFailure = (error) => {
      const refusal = isReply(error) ? toEmitterError(error) : undefined;
      // A wrong password does not become right.
      if (refusal?.retryable !== false) return;
      clearTimeout(timer);
      reject(refusal);
    };
    for (const one of links) {
      one.onChange(() => {
        if (!links.every(({ isUp }) => isUp)) return;
        clearTimeout(timer);
        resolve();
      });
    }
  });
  for (const one of links) one.open();
  const close = async () => {
    await Promise.all(links.map((one) => one.close()));
    await route.close();
  };
  try {
    await up;
  } catch (error) {
    await close();
    throw error;
  }
  return { commands: publishCommands(link), clock, replicas, close };
}

/** What can be asked of a client of the `redis` package about the database that it works on. */
interface SelectingClient {
  readonly isReady?: boolean;
  readonly options?: { readonly database?: unknown } | undefined;
  /** `sendCommand` takes other arguments in a Sentinel client. */
  clientInfo?(): Promise<{ readonly db: number }>;
}

/**
 * Refuses a client of somebody else's that works on another database than the first: by its options, and, where it is
 * connected, by what Redis says. A pool's options do not tell.
 *
 * @throws EmitterError `invalid_option`
 */
export async function refuseDatabase(client: RedisCommands, timeoutMs: number): Promise<void> {
  const selecting = client as SelectingClient;
  let database = Number(selecting.options?.database ?? 0);
  if (database === 0 && selecting.isReady !== false && selecting.clientInfo) {
    const asked = selecting.clientInfo().then(
      ({ db }) => db,
      () => 0,
    );
    const giveUp = new AbortController();
    const late = delay(timeoutMs, 0, { signal: giveUp.signal }).catch(() => 0);
    database = await Promise.race([asked, late]);
    giveUp.abort();
  }
  if (database !== 0) throw new EmitterError("invalid_option", OTHER_DATABASE);
}

/**
 * The link's commands: a primary that says it is a replica now is left for the one that has taken its name. While there
 * is no connection they fail with what Redis said last, where it said why: that is what somebody can do something about.
 *
 * @param leave - leaves the link's connection; by default the link alone is made anew
 */
export function publishCommands(
  link: Link,
  leave = (cause: Error) => {
    link.drop(cause);
  },
): RedisCommands {
  const onError = (error: unknown): never => {
    if (isReadOnly(error)) leave(error);
    const { trouble } = link;
    throw !isReply(error) && (isReply(trouble) || tlsRefusal(trouble)) ? trouble : error;
  };
  return {
    eval: (script, options) => link.client.eval(script, options).catch(onError),
    evalSha: (sha1, options) => link.client.evalSha(sha1, options).catch(onError),
  };
}
