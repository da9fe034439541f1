import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";
import { Gate } from "./gate.js";
import type { Target } from "./line.js";

/** A replica, wherever its Redis is. */
export interface Served {
  readonly server: ServerProcess;
}

/** A replica, and the way that it alone has to Redis. */
export interface Replica extends Served {
  readonly gate: Gate;
}

export interface ServersOptions {
  readonly count: number;
  readonly historyLimit: number;
  /** The program to run instead of the built server. */
  readonly main?: string;
  /** Added to the environment of each. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (nodeId: string, line: string) => void;
}

export interface ReplicasOptions extends ServersOptions {
  /** Where Redis is. */
  readonly redisPort: () => number;
}

/** Starts replicas, each behind a gate of its own; if one does not start, the others are stopped again. */
export async function startReplicas(options: ReplicasOptions): Promise<readonly Replica[]> {
  return startAll(options, async (index) => {
    const gate = await Gate.open(options.redisPort);
    try {
      return { server: await startOne(options, index, gate.url), gate };
    } catch (error) {
      await gate.close();
      throw error;
    }
  });
}

/** The same on a Redis that all of them reach by the same URL. */
export async function startReplicasOn(
  redisUrl: string,
  options: ServersOptions,
): Promise<readonly Served[]> {
  return startAll(options, async (index) => ({ server: await startOne(options, index, redisUrl) }));
}

export async function stopReplicas(
  replicas: readonly (Served & { readonly gate?: Gate })[],
): Promise<void> {
  await Promise.all(
    replicas.map(async ({ server, gate }) => {
      await server.stop();
      await gate?.close();
    }),
  );
}

/** Where clients find it. */
export function targetOf({ server }: Served): Target {
  return { name: server.nodeId, port: server.port };
}

async function startAll<T extends Served>(
  { count }: ServersOptions,
  start: (index: number) => Promise<T>,
): Promise<readonly T[]> {
  const results = await Promise.allSettled(Array.from({ length: count }, (_, i) => start(i)));
  const replicas = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  const failed = results.find((result) => result.status === "rejected");
  if (!failed) return replicas;
  await stopReplicas(replicas);
  throw failed.reason;
}

async function startOne(
  { historyLimit, main, env, onLine }: ServersOptions,
  index: number,
  redisUrl: string,
): Promise<ServerProcess> {
  const nodeId = `replica-${index + 1}`;
  return startServer({
    env: { ...env, NODE_ID: nodeId, REDIS_URL: redisUrl, HISTORY_LIMIT: String(historyLimit) },
    ...(main !== undefined && { main }),
    ...(onLine && {
      onLine: (line) => {
        onLine(nodeId, line);
      },
    }),
  });
}
