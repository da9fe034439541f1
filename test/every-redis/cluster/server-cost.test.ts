import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { commandCounts, commandsBetween } from "../../helpers/command-stats.js";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { startRedisCluster, type RedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startServer } from "../../helpers/processes/server-process.js";

const SESSIONS = 100;
const RENEWALS = 10;
/** A renewal each half second, and a proof of each link. */
const ENV = { LEASE_MS: "5000", REDIS_LINK_TIMEOUT_MS: "2500" };
/** What each link to a master is tried by, once in a renewal: `proof.lua`, what it does, a PING, and a count of its channels. */
const PROOF = ["evalsha", "set", "spublish", "time", "ping", "client|info"];
/** How the cluster is: asked of three nodes at most. */
const TOPOLOGY = "cluster|";
const MAX_WATCHED = 3;

interface Cost {
  readonly masters: number;
  /** In ten renewals of the lease, nobody coming or going, by the name of the command. */
  readonly commands: ReadonlyMap<string, number>;
  /** SSUBSCRIBE and SUBSCRIBE, from the beginning. */
  readonly subscriptions: number;
}

async function countsOf(cluster: RedisCluster): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const { ask } of cluster.nodes) {
    const counts = await commandCounts({ info: async (s) => String(await ask("INFO", s)) });
    for (const [name, calls] of counts) sums.set(name, (sums.get(name) ?? 0) + calls);
  }
  return sums;
}

/** What one replica costs that holds a teacher and a student in each of many sessions. */
async function costWith(t: Test, masters: number): Promise<Cost> {
  const cluster = await startRedisCluster(t, { masters, replicas: 0 });
  const server = await startServer({ env: { ...ENV, REDIS_URL: cluster.url() } });
  t.teardown(() => server.stop());
  const { url } = server;
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
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
    });
    return between;
  };
  // What came with them is over, and all has been claimed and looked at once.
  await renewed(RENEWALS);
  const commands = await renewed(RENEWALS);
  // The test's own, for the most part.
  commands.delete("info");
  const all = await countsOf(cluster);
  const subscriptions = (all.get("ssubscribe") ?? 0) + (all.get("subscribe") ?? 0);
  return { masters, commands, subscriptions };
}

void t.test("what a replica asks does not grow with masters, but for a proof each", async (t) => {
  const [one, three] = await Promise.all([costWith(t, 1), costWith(t, 3)]);
  for (const { masters, commands, subscriptions } of [one, three]) {
    const figures = [...commands].map(([name, calls]) => `${name} ${String(calls)}`);
    t.comment(
      `${String(masters)} masters: ${String(subscriptions)} subscriptions, ${figures.join(", ")}`,
    );
  }
  for (const [name, calls] of three.commands) {
    const before = one.commands.get(name) ?? 0;
    // Two links to each master, and what is counted by the test itself.
    const proofs = PROOF.includes(name) ? 2 * (three.masters - one.masters) * (RENEWALS + 3) : 0;
    const limit = name.startsWith(TOPOLOGY)
      ? MAX_WATCHED * (before + 5)
      : 1.3 * before + proofs + 5;
    t.ok(calls <= limit, `${name}: ${String(calls)} with three, ${String(before)} with one`);
  }
  // Two rooms in each session, a proof in each master, and the channel of all rooms.
  t.equal(one.subscriptions, 2 * SESSIONS + 1 + 1);
  t.equal(three.subscriptions, 2 * SESSIONS + 3 + 1);
});
