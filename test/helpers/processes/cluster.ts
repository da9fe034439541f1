import { ClusterDoor, type DoorOptions } from "../cluster-door.js";
import { type LoadBalancer, startLoadBalancer } from "./load-balancer.js";
import { type RedisOptions, type RedisServer, startRedis } from "./redis-server.js";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.js";

export interface ClusterOptions {
  /** How many replicas; by default three, named `replica-1` and so on. */
  readonly replicas?: number;
  /** Added to the environment of every replica. */
  readonly env?: Readonly<Record<string, string>>;
  readonly loadBalancer?: boolean;
  /** Has the load balancer lead to a door by which pages kill replicas; they name it by its token. */
  readonly door?: DoorOptions;
  /** A Redis of its own with these options, or one that runs already, which is left alone. */
  readonly redis?: RedisOptions | { readonly url: string };
  /** By default any free ports. */
  readonly ports?: {
    readonly replicas: readonly number[];
    readonly loadBalancer?: number;
  };
  /** Where the load balancer listens; by default 127.0.0.1. The rest is always on 127.0.0.1. */
  readonly host?: string;
  /** The program to run instead of the built server. */
  readonly main?: string;
  /** How the replicas are started: their node binary, and words in front of it. */
  readonly launch?: Pick<ServerOptions, "node" | "launcher">;
  /** Called with each line that a replica logs. */
  readonly onLine?: (nodeId: string, line: string) => void;
}

/**
 * Starts Redis, the replicas and, where asked for, a load balancer, and resolves when all of them
 * answer. If one does not start, the others are stopped again. `t.teardown(() => cluster.stop())`.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { redis: wanted = {} } = options;
  const opened: Stoppable[] = [];
  try {
    const redis = "url" in wanted ? undefined : await startRedis(wanted);
    if (redis !== undefined) opened.push(redis);
    const redisUrl = "url" in wanted ? wanted.url : (redis?.url ?? "");

    const replicas = await startReplicas(options, redisUrl, opened);
    const door = options.door && (await ClusterDoor.open(replicas, options.door));
    if (door !== undefined) opened.push(door);
    let loadBalancer: LoadBalancer | undefined;
    if (options.loadBalancer === true) {
      const { ports, host } = options;
      loadBalancer = await startLoadBalancer({
        replicas,
        port: ports?.loadBalancer,
        door,
        ...(host !== undefined && { host }),
      });
      opened.push(loadBalancer);
    }
    return new Cluster(opened, { redisUrl, redis, replicas, loadBalancer, door });
  } catch (error) {
    await stopAll(opened);
    throw error;
  }
}

interface ClusterParts {
  readonly redisUrl: string;
  readonly redis: RedisServer | undefined;
  readonly replicas: readonly ServerProcess[];
  readonly loadBalancer: LoadBalancer | undefined;
  readonly door: ClusterDoor | undefined;
}

/** Replicas on one Redis. Each part may be killed and restarted by itself. */
export class Cluster {
  readonly redisUrl: string;
  readonly replicas: readonly ServerProcess[];
  readonly #parts: ClusterParts;
  readonly #opened: readonly Stoppable[];

  /** @internal Use {@link startCluster}. */
  constructor(opened: readonly Stoppable[], parts: ClusterParts) {
    this.redisUrl = parts.redisUrl;
    this.replicas = parts.replicas;
    this.#parts = parts;
    this.#opened = opened;
  }

  /** The Redis that was started for this cluster. */
  get redis(): RedisServer {
    const { redis } = this.#parts;
    if (redis === undefined) throw new Error("This cluster runs on a Redis that it does not own");
    return redis;
  }

  get loadBalancer(): LoadBalancer {
    const { loadBalancer } = this.#parts;
    if (loadBalancer === undefined) throw new Error("This cluster has no load balancer");
    return loadBalancer;
  }

  /** Where the door listens, that no page is told of. */
  get doorPort(): number | undefined {
    return this.#parts.door?.port;
  }

  /** Where a page finds a session by the load balancer, and the door with it, where there is one. */
  pageOf(session: string, origin = this.loadBalancer.url): string {
    const { door } = this.#parts;
    return `${origin}/?session=${session}${door === undefined ? "" : `#cluster=${door.token}`}`;
  }

  /** The replica with this number, from 0. */
  replica(index: number): ServerProcess {
    const replica = this.replicas[index];
    if (replica === undefined) throw new Error(`This cluster has no replica ${index}`);
    return replica;
  }

  /** Where a client goes: the load balancer, else the first replica. */
  get url(): string {
    return (this.#parts.loadBalancer ?? this.replica(0)).url;
  }

  /** Stops everything in reverse order; parts that are gone already are no error. */
  async stop(): Promise<void> {
    await stopAll(this.#opened);
  }
}

interface Stoppable {
  stop(): Promise<unknown>;
}

/** Starts the replicas side by side. Those that have started are in `opened`, whatever happens. */
async function startReplicas(
  options: ClusterOptions,
  redisUrl: string,
  opened: Stoppable[],
): Promise<readonly ServerProcess[]> {
  const { replicas: count = 3, onLine, ports, main, launch } = options;
  const starts = Array.from({ length: count }, async (_, i) => {
    const nodeId = `replica-${i + 1}`;
    return startServer({
      env: { ...options.env, ...metricsPort(options.env, i), NODE_ID: nodeId, REDIS_URL: redisUrl },
      port: ports?.replicas[i],
      ...launch,
      ...(main !== undefined && { main }),
      ...(onLine !== undefined && {
        onLine: (line) => {
          onLine(nodeId, line);
        },
      }),
    });
  });
  const results = await Promise.allSettled(starts);
  const replicas = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  // As one entry: they drain side by side, not each for 10 s after the other.
  opened.push({ stop: async () => allOf(replicas.map(async (replica) => replica.stop())) });
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return replicas;
}

/** METRICS_PORT is the first replica's; each of the others has the next one. */
function metricsPort(env: ClusterOptions["env"], i: number): { METRICS_PORT?: string } {
  const first = env?.["METRICS_PORT"] ?? "";
  return /^[1-9]\d*$/.test(first) ? { METRICS_PORT: String(Number(first) + i) } : {};
}

/** Stops each part after those behind it, all of them, whatever becomes of any. */
async function stopAll(opened: readonly Stoppable[]): Promise<void> {
  const stopped: Promise<unknown>[] = [];
  for (const part of [...opened].reverse()) {
    stopped.push(part.stop());
    await Promise.allSettled(stopped);
  }
  await allOf(stopped);
}

/** Waits for all, and rejects with the first error only then. */
async function allOf(promises: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(promises);
  await Promise.all(promises);
}
