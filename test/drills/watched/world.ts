import { randomUUID } from "node:crypto";
import { connect, type Emitter } from "@inthon/emitter";
import { TALKING_KINDS } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { startLoadBalancer } from "../../helpers/processes/load-balancer.js";
import { freePort } from "../../helpers/processes/ports.js";
import { startPrometheus, type Prometheus } from "../../helpers/processes/prometheus.js";
import { startRedis, type RedisServer } from "../../helpers/processes/redis-server.js";
import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";
import { startTcpProxy, type TcpProxy } from "../../helpers/tcp-proxy.js";
import { Crowd } from "../away/crowd.js";
import type { Watching } from "./rules.js";

const REPLICAS = 3;
const CLIENTS = 24;
const SESSIONS = 4;
const TIMEOUT_MS = 60_000;

/** What a replica may have, so that little is much. */
export const LIMITS = {
  MAX_CONNECTIONS: 60,
  MAX_UNREAD_BYTES: 65_536,
  HISTORY_LIMIT: 40,
} as const;

/** A replica, with what lies between it and others. */
export interface Watched {
  readonly server: ServerProcess;
  readonly toRedis: TcpProxy;
  /** The way by which its canary comes. */
  readonly frontDoor: TcpProxy;
}

/** A small cluster at noon, and somebody who watches it. */
export interface World {
  readonly redis: RedisServer;
  readonly replicas: readonly [Watched, Watched, Watched];
  /** The address of the load balancer. */
  readonly url: string;
  readonly crowd: Crowd;
  readonly sessions: readonly string[];
  /** Publishes to Redis, on a way of its own. */
  readonly emitter: Emitter;
  readonly prometheus: Prometheus;
  close(): Promise<void>;
}

export async function openWorld({ groups }: Watching): Promise<World> {
  const closing: (() => unknown)[] = [];
  const close = async () => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const replicas: Watched[] = [];
    const targets: { target: string; labels: Record<string, string> }[] = [];
    for (let i = 1; i <= REPLICAS; i++) {
      const pod = `replica-${String(i)}`;
      const metricsPort = String(await freePort());
      replicas.push(await openReplica(redis, pod, metricsPort, closing));
      targets.push({
        target: `127.0.0.1:${metricsPort}`,
        labels: { namespace: "classroom", pod },
      });
    }
    const slots = replicas.map(({ server: { port, nodeId } }) => ({ port, nodeId }));
    const balancer = await startLoadBalancer({ kind: "haproxy", replicas: slots });
    closing.push(() => balancer.stop());
    const emitter = await connect(redis.url, { historyLimit: LIMITS.HISTORY_LIMIT });
    closing.push(() => emitter.close());
    const { url } = balancer;
    const sessions = Array.from({ length: SESSIONS }, () => randomUUID());
    const crowd = new Crowd(
      Array.from({ length: CLIENTS }, (_, i) => ({
        url,
        session: sessions[i % SESSIONS] ?? "",
        role: i < SESSIONS ? ("teacher" as const) : ("student" as const),
        kind: TALKING_KINDS[Math.floor(i / SESSIONS) % TALKING_KINDS.length] ?? "plain",
      })),
    );
    closing.push(() => {
      crowd.close();
    });
    await crowd.start(TIMEOUT_MS);
    const prometheus = await startPrometheus({ targets, groups });
    closing.push(() => prometheus.stop());
    await eventually(async () => (await prometheus.ask("sum(up)")) === REPLICAS);
    const three = replicas as [Watched, Watched, Watched];
    return { redis, replicas: three, url, crowd, sessions, emitter, prometheus, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openReplica(
  redis: RedisServer,
  nodeId: string,
  metricsPort: string,
  closing: (() => unknown)[],
): Promise<Watched> {
  const toRedis = await startTcpProxy(redis.port);
  closing.push(() => toRedis.stop());
  const port = await freePort();
  const frontDoor = await startTcpProxy(port);
  closing.push(() => frontDoor.stop());
  const limits = Object.entries(LIMITS).map(([name, value]) => [name, String(value)]);
  const server = await startServer({
    port,
    env: {
      ...(Object.fromEntries(limits) as Record<string, string>),
      NODE_ID: nodeId,
      REDIS_URL: toRedis.url,
      METRICS_PORT: metricsPort,
      CANARY_URL: `http://127.0.0.1:${String(frontDoor.port)}`,
      DRAIN_DELAY_MS: "3000",
      DRAIN_SPREAD_MS: "3000",
    },
  });
  closing.push(() => endNow(server));
  return { server, toRedis, frontDoor };
}

/** Nobody is left to be sent anywhere. It may have ended before, or be frozen. */
async function endNow(server: ServerProcess): Promise<void> {
  server.kill("SIGKILL");
  await server.exited;
}
