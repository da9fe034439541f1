import { connect, type Emitter } from "@inthon/emitter";
import { startCluster, type Cluster } from "./cluster.js";
import { startRedisCluster } from "./redis-cluster.js";
import { startServer } from "./server-process.js";

/** Where the contract must hold, as a client and a publisher see it. */
export interface Environment {
  /** One URL for each replica. */
  readonly urls: readonly string[];
  /** Publishes as a service would: to Redis, or over HTTP where there is none. */
  readonly emitter: Emitter;
  /** The Redis below, where there is one. */
  readonly cluster: Cluster | undefined;
  stop(): Promise<void>;
}

/** Every kind of deployment that promises the contract. */
export const ENVIRONMENTS = [
  { name: "three replicas on Redis", start: startOnRedis },
  { name: "three replicas on a Redis Cluster", start: startOnRedisCluster },
  { name: "one process in memory", start: startInMemory },
] as const;

async function startOnRedis(): Promise<Environment> {
  const cluster = await startCluster({ replicas: 3 });
  const emitter = await connect(cluster.redisUrl);
  return {
    urls: cluster.replicas.map(({ url }) => url),
    emitter,
    cluster,
    stop: async () => {
      await emitter.close();
      await cluster.stop();
    },
  };
}

async function startOnRedisCluster(): Promise<Environment> {
  const ends: (() => unknown)[] = [];
  const stop = async () => {
    for (const end of ends.reverse()) await end();
  };
  try {
    const redis = await startRedisCluster(
      {
        teardown: (end) => {
          ends.push(end);
        },
      },
      { replicas: 0 },
    );
    const cluster = await startCluster({ replicas: 3, redis: { url: redis.url() } });
    ends.push(() => cluster.stop());
    const emitter = await connect(cluster.redisUrl);
    ends.push(() => emitter.close());
    return { urls: cluster.replicas.map(({ url }) => url), emitter, cluster, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startInMemory(): Promise<Environment> {
  const server = await startServer();
  const emitter = await connect(server.url);
  return {
    urls: [server.url],
    emitter,
    cluster: undefined,
    stop: async () => {
      await emitter.close();
      await server.stop();
    },
  };
}

/** Publishes over HTTP, as a service in any language would. */
export async function post(
  url: string,
  session: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}
