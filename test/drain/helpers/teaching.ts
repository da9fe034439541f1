import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import type { Test } from "tap";
import { connect } from "@inthon/emitter";
import type { Role } from "@inthon/emitter/protocol";
import {
  join,
  type Client,
  type ClientKind,
  type Received,
} from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { startCluster } from "../../helpers/processes/cluster.js";
import { startRedis, type RedisOptions } from "../../helpers/processes/redis-server.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { startTcpProxy } from "../../helpers/tcp-proxy.js";

export const LEASE_MS = 1_000;

/** Two replicas on one Redis: of them one `goes`, and reaches Redis by a link of its own, which can be broken. */
export async function openTeaching(
  t: Test,
  env: Readonly<Record<string, string>>,
  redisOptions: RedisOptions = {},
) {
  const server = await startRedis(redisOptions);
  t.teardown(() => server.stop());
  const link = await startTcpProxy(server.port);
  t.teardown(() => link.stop());
  const start = async (url: string) => {
    const cluster = await startCluster({
      replicas: 1,
      env: {
        LEASE_MS: String(LEASE_MS),
        REDIS_LINK_TIMEOUT_MS: String(LEASE_MS / 2),
        PRESENCE_WINDOW_MS: "0",
        ...env,
      },
      redis: { url },
    });
    t.teardown(() => cluster.stop());
    return cluster.replica(0);
  };
  const [goes, stays] = await Promise.all([start(link.url), start(server.url)]);
  // Also where it has not gone yet: a test may know all that it wants to before.
  t.teardown(() => {
    goes.kill("SIGKILL");
  });
  const redis = createClient({ url: server.url });
  redis.on("error", () => undefined);
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const enter = async (
    replica: ServerProcess,
    session: string,
    role: Role,
    kind: ClientKind = "plain",
  ) => {
    const client = await join({ url: replica.url, session, role, kind });
    t.teardown(() => client.close());
    await client.connected;
    return client;
  };
  return {
    goes,
    stays,
    server,
    link,
    enter,
    members: (session: string) => redis.sMembers(`session:${session}:teachers`),
    /** How many of a session's teachers have been sent away, and are not back. */
    onTheirWay: async (session: string) => {
      const names = await redis.zRange("inthon:leaving:{inthon:nodes}", 0, -1);
      const members = await redis.sMembers(`session:${session}:teachers`);
      return members.filter((one) => names.some((name) => one.startsWith(`${name}/`))).length;
    },
    /** The names of those that hold a lease, or held one lately. */
    nodes: () => redis.zRange("inthon:nodes", 0, -1),
    /** What a student has been told of the teacher, up to now. */
    told: async (session: string, { inbox }: Client) => {
      const note = randomUUID();
      await emitter.emit(session, "important", { note, capture_url: null });
      await inbox.next(({ object }) => object["note"] === note);
      const isPresence = ({ event }: Received) => event === "teacher_presence";
      return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
    },
    /** Begins to drain, and resolves when it sends those away who are there. */
    drain: async () => {
      const sends = goes.waitForLine((line) => line.includes("draining: sending") || undefined);
      goes.kill("SIGTERM");
      await sends;
    },
    /** Waits for as many leases, in which nothing may happen. */
    leasesLater: async (leases: number) => {
      const startedAt = performance.now();
      await eventually(() => Promise.resolve(performance.now() - startedAt > leases * LEASE_MS));
    },
  };
}

export type Teaching = Awaited<ReturnType<typeof openTeaching>>;

export const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;
