import { createClient } from "redis";
import { connect, EmitterError, type Emitter, type PublishResult } from "@inthon/emitter";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startRedis } from "../../helpers/processes/redis-server.js";
import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";

/** What an emitter can be connected to. */
export interface Target {
  /** A replica, for the clients. */
  readonly server: ServerProcess;
  connect(): Promise<Emitter>;
  /** What the emitter needs to publish, and that can be taken away. */
  readonly backend: Backend;
  stop(): Promise<void>;
}

export interface Backend {
  readonly exited: Promise<unknown>;
  kill(signal: NodeJS.Signals): void;
  pause(): void;
  resume(): void;
  restart(): Promise<void>;
}

/** Everything that `connect` takes, each with processes of its own. */
export const TARGETS: readonly { name: string; start: () => Promise<Target> }[] = [
  { name: "a Redis URL", start: () => onRedis((redisUrl) => connect(redisUrl)) },
  { name: "a client of the redis package", start: onExistingClient },
  { name: "a Redis Cluster's URL", start: onCluster },
  { name: "HTTP, to a server on Redis", start: () => onRedis((_, { url }) => connect(url)) },
  { name: "HTTP, to a server in memory", start: inMemory },
];

async function onRedis(
  open: (redisUrl: string, server: ServerProcess) => Promise<Emitter>,
): Promise<Target> {
  // Written to disk, so that a restart is no loss of memory.
  const redis = await startRedis({ appendOnly: true });
  const server = await startServer({ env: { REDIS_URL: redis.url } });
  return {
    server,
    connect: () => open(redis.url, server),
    backend: redis,
    stop: async () => {
      await server.stop();
      await redis.stop();
    },
  };
}

async function onExistingClient(): Promise<Target> {
  const clients: { destroy(): void }[] = [];
  const target = await onRedis(async (url) => {
    const client = createClient({ url });
    client.on("error", () => undefined);
    await client.connect();
    clients.push(client);
    return connect(client);
  });
  return {
    ...target,
    stop: async () => {
      // Closing an emitter leaves them open: they must still be ours to end.
      for (const client of clients) client.destroy();
      await target.stop();
    },
  };
}

/** On three masters, which go and come together. */
async function onCluster(): Promise<Target> {
  const endings: (() => unknown)[] = [];
  const cluster = await startRedisCluster(
    { teardown: (end) => void endings.unshift(end) },
    { replicas: 0, args: () => ["--appendonly", "yes"] },
  );
  const server = await startServer({ env: { REDIS_URL: cluster.url() } });
  const all = cluster.nodes.map(({ redis }) => redis);
  return {
    server,
    connect: () => connect(cluster.url()),
    backend: {
      get exited() {
        return Promise.all(all.map(({ exited }) => exited));
      },
      kill: (signal) => {
        for (const redis of all) redis.kill(signal);
      },
      pause: () => {
        for (const redis of all) redis.pause();
      },
      resume: () => {
        for (const redis of all) redis.resume();
      },
      restart: async () => {
        await Promise.all(all.map((redis) => redis.restart()));
      },
    },
    stop: async () => {
      await server.stop();
      for (const end of endings) await end();
    },
  };
}

async function inMemory(): Promise<Target> {
  const server = await startServer();
  return {
    server,
    connect: () => connect(server.url),
    backend: server,
    stop: async () => {
      await server.stop();
    },
  };
}

/** `emit` and `emitAll` for callers whose types nobody has checked, as in JavaScript. */
export interface UntypedEmitter {
  emit(...args: readonly unknown[]): Promise<PublishResult>;
  emitAll(...args: readonly unknown[]): Promise<PublishResult[]>;
}

export function untyped(emitter: Emitter): UntypedEmitter {
  return {
    emit: emitter.emit.bind(emitter) as UntypedEmitter["emit"],
    emitAll: emitter.emitAll.bind(emitter) as UntypedEmitter["emitAll"],
  };
}

/** What a program can rely on in a rejection, and what a log would show of it. */
export interface Failure {
  readonly name: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly paths: readonly string[];
  readonly idempotencyKey: string | undefined;
}

/** Rejects where the call does not fail as an emitter fails. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const error: unknown = await call.then(
    (value) => new Error(`it resolved: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof EmitterError)) throw error;
  const { name, code, retryable, faults, idempotencyKey } = error;
  return { name, code, retryable, paths: faults.map(({ path }) => path), idempotencyKey };
}
