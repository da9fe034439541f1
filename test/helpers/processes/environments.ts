import { connect, type Emitter } from "@inthon/emitter";
import { startDeployment, type Deployment } from "../deployments/deployment.js";
import { isRunSecured, kindOfRun, type RedisKind } from "../deployments/kinds.js";
import { startCluster, type Cluster } from "./cluster.js";
import { startServer } from "./server-process.js";

/** Where the contract must hold, as a client and a publisher see it. */
export interface Environment {
  /** One URL for each replica. */
  readonly urls: readonly string[];
  /** Publishes as a service would: to Redis, or over HTTP where there is none. */
  readonly emitter: Emitter;
  /** The replicas, where there is a Redis below. */
  readonly cluster: Cluster | undefined;
  /** That Redis. */
  readonly redis: Deployment | undefined;
  stop(): Promise<void>;
}

interface EnvironmentKind {
  readonly name: string;
  readonly start: () => Promise<Environment>;
}

const NAMES: Record<RedisKind, string> = {
  standalone: "Redis",
  sentinel: "a Redis with Sentinels",
  cluster: "a Redis Cluster",
};

/**
 * Kinds of deployment that promise the contract: those of the default run, or the one that the run is about. Every one of
 * them promises all of it, and has a short form of it in the default run (`test/every-redis/contract.test.ts`).
 */
export const ENVIRONMENTS: readonly EnvironmentKind[] = environmentsOf(kindOfRun());

function environmentsOf(kind: RedisKind | undefined): readonly EnvironmentKind[] {
  if (kind === undefined) {
    return [onRedis("standalone"), { name: "one process in memory", start: startInMemory }];
  }
  return [onRedis(kind)];
}

function onRedis(kind: RedisKind): EnvironmentKind {
  const how = isRunSecured() ? " that lets nobody else in" : "";
  return {
    name: `three replicas on ${NAMES[kind]}${how}`,
    start: () => startReplicas(kind),
  };
}

/** Nobody is denied anything there: else stopping it is a fault. */
async function startReplicas(kind: RedisKind): Promise<Environment> {
  const redis = await startDeployment({ kind });
  const ends = [() => redis.stop()];
  const stop = async () => {
    const denied = await redis.denied();
    for (const end of ends.reverse()) await end();
    if (denied.length > 0) throw new Error(`denied: ${JSON.stringify(denied)}`);
  };
  try {
    const { env, emitterUrl, tls } = redis;
    const { REDIS_URL: url = "" } = env;
    const cluster = await startCluster({ replicas: 3, env, redis: { url } });
    ends.push(() => cluster.stop());
    const emitter = await connect(emitterUrl, { ...(tls && { tls }) });
    ends.push(() => emitter.close());
    return { urls: cluster.replicas.map(({ url }) => url), emitter, cluster, redis, stop };
  } catch (error) {
    for (const end of ends.reverse()) await end();
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
    redis: undefined,
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
