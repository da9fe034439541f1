import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";
import { Gate } from "./gate.js";
import type { Target } from "./line.js";

/** A replica, and the way that it alone has to Redis. */
export interface Replica {
  readonly server: ServerProcess;
  readonly gate: Gate;
}

export interface ReplicasOptions {
  readonly count: number;
  /** Where Redis is. */
  readonly redisPort: () => number;
  readonly historyLimit: number;
  /** The program to run instead of the built server. */
  readonly main?: string;
  /** Added to the environment of each. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (nodeId: string, line: string) => void;
}

/** Starts replicas, each behind a gate of its own; if one does not start, the others are stopped again. */
export async function startReplicas(options: ReplicasOptions): Promise<readonly Replica[]> {
  const starts = Array.from({ length: options.count }, (_, i) => startOne(options, i));
  const results = await Promise.allSettled(starts);
  const replicas = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  const failed = results.find((result) => result.status === "rejected");
  if (!failed) return replicas;
  await stopReplicas(replicas);
  throw failed.reason;
}

export async function stopReplicas(replicas: readonly Replica[]): Promise<void> {
  await Promise.all(
    replicas.map(async ({ server, gate }) => {
      await server.stop();
      await gate.close();
    }),
  );
}

/** Where clients find it. */
export function targetOf({ server }: Replica): Target {
  return { name: server.nodeId, port: server.port };
}

async function startOne(
  { redisPort, historyLimit, main, env, onLine }: ReplicasOptions,
  index: number,
): Promise<Replica> {
  const gate = await Gate.open(redisPort);
  const nodeId = `replica-${index + 1}`;
  try {
    const server = await startServer({
      env: { ...env, NODE_ID: nodeId, REDIS_URL: gate.url, HISTORY_LIMIT: String(historyLimit) },
      ...(main !== undefined && { main }),
      ...(onLine && {
        onLine: (line) => {
          onLine(nodeId, line);
        },
      }),
    });
    return { server, gate };
  } catch (error) {
    await gate.close();
    throw error;
  }
}
