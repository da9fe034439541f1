import { isReadOnly, isReply } from "./client.js";
import { Link } from "./link.js";
import type { RoomRedis } from "./room-redis.js";
import type { RedisRoute } from "./route.js";
import { tlsRefusal } from "./tls-refused.js";
import type { RedisCommands } from "../publish-script.js";
import { RedisClock } from "../redis-clock.js";
import { Replicas } from "../replicas.js";

/** Times in milliseconds, checked. */
export interface OwnRedisOptions {
  readonly linkTimeoutMs: number;
  /** Replicas of Redis that are waited for; 0 for none. */
  readonly waitReplicas: number;
  /** As {@link ReplicasOptions.key}. */
  readonly waitedKey?: (isRefused: boolean) => string;
  readonly onError?: (error: Error) => void;
}

/** What an emitter needs of a Redis of its own. */
export class OwnRedis implements RoomRedis {
  readonly name: string;
  readonly link: Link;
  readonly commands: RedisCommands;
  readonly clock = new RedisClock();
  readonly replicas: Replicas | undefined;
  readonly #route: RedisRoute;
  readonly #links: readonly Link[];
  readonly #errorListeners: ((error: Error) => void)[] = [];

  /** @param route - closed with it */
  constructor(route: RedisRoute, options: OwnRedisOptions) {
    const { linkTimeoutMs: timeoutMs, waitReplicas: count, waitedKey: key, onError } = options;
    this.name = route.name;
    this.#route = route;
    if (onError) this.#errorListeners.push(onError);
    const tell = (error: Error) => {
      for (const listener of this.#errorListeners) listener(error);
    };
    route.guides?.onChange((trouble) => {
      if (trouble) onError?.(trouble);
    });
    route.guides?.onOne((sentinel, trouble) => {
      const what = `a Sentinel is away, ${sentinel}: ${trouble?.message ?? ""}`;
      if (trouble) onError?.(new Error(what, { cause: trouble }));
    });
    this.link = new Link(route, {
      timeoutMs,
      prove: async (inTime) => {
        const sentAt = performance.now();
        // Whatever it answers, it answers.
        const asked = inTime(this.link.client.sendCommand(["TIME"]));
        const time = await asked.catch((error: unknown) => {
          if (!isReply(error)) throw error;
        });
        if (Array.isArray(time)) this.clock.compare(sentAt, time);
      },
      onError: (error) => {
        this.clock.forget();
        tell(error);
      },
    });
    this.commands = publishCommands(this.link);
    this.replicas =
      count === 0
        ? undefined
        : new Replicas(route, {
            count,
            linkTimeoutMs: timeoutMs,
            onError: tell,
            ...(key && { key }),
          });
    this.#links = this.replicas ? [this.link, this.replicas.link] : [this.link];
  }

  get trouble(): Error | undefined {
    return this.#links.find(({ isUp }) => !isUp)?.trouble;
  }

  get isUsable(): boolean {
    return this.trouble === undefined;
  }

  /** Whether each link has worked, or failed to. */
  get isTried(): boolean {
    return this.#links.every(({ isNew }) => !isNew);
  }

  open(): void {
    for (const link of this.#links) link.open();
  }

  onChange(listener: () => void): void {
    for (const link of this.#links) link.onChange(listener);
  }

  onError(listener: (error: Error) => void): void {
    this.#errorListeners.push(listener);
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
    await this.#route.close();
  }
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
    presentConnection: () => link.client,
  };
}
