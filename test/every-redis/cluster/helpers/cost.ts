import { randomUUID } from "node:crypto";
import { commandCounts, commandsBetween } from "../../../helpers/command-stats.js";
import { join } from "../../../helpers/clients/clients.js";
import { eventually } from "../../../helpers/eventually.js";
import { startRedisCluster, type RedisCluster } from "../../../helpers/processes/redis-cluster.js";
import { startServer } from "../../../helpers/processes/server-process.js";
import type { Owner } from "../../../helpers/topologies/ends.js";

/** A renewal each half second, and a proof of each link. */
const ENV = { LEASE_MS: "5000", REDIS_LINK_TIMEOUT_MS: "2500" };
/** Of the lease, while commands are counted. */
export const RENEWALS = 10;
/** Nodes that say how the cluster is, at most. */
export const MAX_WATCHED = 3;
/** A machine that is busy is none that is down. */
const NODE_TIMEOUT_MS = 60_000;
/** While they get to know each other: each is told of by all others within half of it. */
const FIRST_NODE_TIMEOUT_MS = 5_000;
const PATIENCE_MS = 120_000;

/** What one replica asks of all masters together. */
export interface Cost {
  readonly masters: number;
  /** In {@link RENEWALS} renewals of the lease, nobody coming or going, by the name of the command. */
  readonly commands: ReadonlyMap<string, number>;
  /** Channels of all kinds, in all masters. */
  readonly subscriptions: number;
  /** SSUBSCRIBE and SUBSCRIBE, from the beginning: one may ask for several channels of one slot. */
  readonly subscribing: number;
  /** Connections of the replica, to all masters. */
  readonly connections: number;
}

async function countsOf(cluster: RedisCluster): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const all = cluster.nodes.map(({ ask }) =>
    commandCounts({ info: async (s) => String(await ask("INFO", s)) }),
  );
  for (const counts of await Promise.all(all)) {
    for (const [name, calls] of counts) sums.set(name, (sums.get(name) ?? 0) + calls);
  }
  return sums;
}

/** What one replica costs that holds a teacher and a student in each of many sessions. */
export async function costWith(t: Owner, masters: number, sessions: number): Promise<Cost> {
  const cluster = await startRedisCluster(t, {
    masters,
    replicas: 0,
    args: () => ["--cluster-node-timeout", String(FIRST_NODE_TIMEOUT_MS)],
  });
  for (const { ask } of cluster.nodes) {
    await ask("CONFIG", "SET", "cluster-node-timeout", String(NODE_TIMEOUT_MS));
  }
  const server = await startServer({ env: { ...ENV, REDIS_URL: cluster.url() } });
  t.teardown(() => server.stop());
  const { url } = server;
  await Promise.all(
    Array.from({ length: sessions }, async () => {
      const session = randomUUID();
      for (const role of ["teacher", "student"] as const) {
        const client = await join({ url, session, role, kind: "plain" });
        t.teardown(() => client.close());
      }
    }),
  );
  const renewed = async (count: number) => {
    const before = await countsOf(cluster);
    let between = new Map<string, number>();
    await eventually(async () => {
      between = commandsBetween(before, await countsOf(cluster));
      return (between.get("zadd") ?? 0) >= count;
    }, PATIENCE_MS);
    return between;
  };
  // What came with them is over, and all has been claimed and looked at once.
  await renewed(RENEWALS);
  const counted = await renewed(RENEWALS);
  // A machine that is busy counts late: of so many renewals as there were.
  const part = RENEWALS / (counted.get("zadd") ?? RENEWALS);
  const commands = new Map([...counted].map(([name, calls]) => [name, calls * part]));
  // The test's own, for the most part.
  commands.delete("info");
  const all = await countsOf(cluster);
  const subscribing = (all.get("ssubscribe") ?? 0) + (all.get("subscribe") ?? 0);
  const channels = await Promise.all(
    cluster.nodes.flatMap(({ ask }) =>
      ["CHANNELS", "SHARDCHANNELS"].map((what) => ask("PUBSUB", what)),
    ),
  );
  const subscriptions = channels.flat().length;
  const lists = await Promise.all(cluster.nodes.map(({ ask }) => ask("CLIENT", "LIST")));
  // Each node has one of the test's own.
  const connections = lists.reduce<number>(
    (sum, list) => sum + String(list).trim().split("\n").length - 1,
    0,
  );
  return { masters, commands, subscriptions, subscribing, connections };
}
