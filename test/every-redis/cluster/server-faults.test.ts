import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect, slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { eventually } from "../../helpers/eventually.js";
import {
  startRedisCluster,
  type ClusterNode,
  type RedisCluster,
} from "../../helpers/processes/redis-cluster.js";
import { isServed } from "../../links/helpers/hung-links.js";
import { holdClass, judge, lostOf, startServers } from "../helpers/class.js";

/** A session whose students' room is in a slot of this master. */
async function sessionAt(cluster: RedisCluster, master: ClusterNode): Promise<string> {
  for (;;) {
    const session = randomUUID();
    const owner = await cluster.masterOf(slotOf(roomChannel(`session_${session}_student`)));
    if (owner === master) return session;
  }
}

/** A class in each master, on two replicas. */
async function openSchool(t: Test, waitReplicas = 0) {
  const cluster = await startRedisCluster(t);
  const servers = await startServers(t, cluster.url(), waitReplicas);
  const [server] = servers;
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const masters = await cluster.masters();
  const classes = await Promise.all(
    masters.map(async (master) =>
      holdClass(t, servers, emitter, await sessionAt(cluster, master), ["websocket", "plain"]),
    ),
  );
  const hear = (more: number) => {
    const before = classes.map(({ confirmed }) => confirmed.length);
    return eventually(() =>
      Promise.resolve(classes.every((one, i) => one.confirmed.length >= (before[i] ?? 0) + more)),
    );
  };
  await hear(20);
  return {
    cluster,
    masters,
    classes,
    /** Resolves when each class has heard so much more. */
    hear,
    /** @returns how much was lost that was confirmed */
    end: async () => {
      await hear(20);
      for (const { url } of servers) await eventually(() => isServed(url));
      const lost = await Promise.all(
        classes.map(async ({ students, confirmed, end }) => {
          const history = await end();
          await judge(t, students, history);
          return lostOf(t, confirmed, history);
        }),
      );
      return lost.reduce((sum, one) => sum + one, 0);
    },
  };
}

void t.test("a class in each master hears all of it, once, in order", async (t) => {
  const { end } = await openSchool(t);
  t.equal(await end(), 0);
});

void t.test(
  "a master that is killed: what its replica has is heard, nobody is sent away for less",
  async (t) => {
    const { cluster, masters, hear, end } = await openSchool(t);
    const [master] = masters;
    if (!master) return;
    await cluster.kill(master);
    await hear(20);
    await end();
  },
);

void t.test("a failover that is asked for loses nothing", async (t) => {
  const { cluster, masters, hear, end } = await openSchool(t);
  const [master] = masters;
  if (!master) return;
  await cluster.failover(master);
  await hear(20);
  t.equal(await end(), 0);
});

void t.test("2,000 slots that move lose nothing", async (t) => {
  const { cluster, masters, end } = await openSchool(t);
  const [from, to] = masters;
  if (!from || !to) return;
  await cluster.moveSlots(2000, from, to);
  t.equal(await end(), 0);
});
