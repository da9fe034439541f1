import t from "tap";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import {
  ascending,
  inOrder,
  lostIn,
  noneTwice,
  publishAllOver,
  sessionsInFirst,
} from "../helpers/cluster-load.js";

// Each has a cluster to itself, and waits most of the time.
t.jobs = 2;

const LONG_HISTORY = { historyLimit: 100_000 };
/** Slots that go to and fro. */
const MOVED = 50;
/** Noticed soon, where it hangs. */
const SOON = { ...LONG_HISTORY, linkTimeoutMs: 2_000 };

void t.test(
  "2,000 slots move while events are published: all of them, once, in order",
  async (t) => {
    const cluster = await startRedisCluster(t, { replicas: 0 });
    const load = await publishAllOver(t, cluster.url(), LONG_HISTORY);
    await load.more(200);
    const [from, to] = await cluster.masters();
    if (!from || !to) throw new Error("masters");
    await cluster.moveSlots(2_000, from, to);
    await load.more(200);
    const rooms = await load.end(cluster);
    t.equal(lostIn(t, rooms), 0);
    noneTwice(t, rooms);
    inOrder(t, rooms);
  },
);

for (const [isKeyed, whose] of [
  [false, "nobody gave"],
  [true, "their caller gave"],
] as const) {
  void t.test(
    `rooms go to and fro while events under keys that ${whose} follow each other: in order`,
    async (t) => {
      const cluster = await startRedisCluster(t, { replicas: 0 });
      const sessions = sessionsInFirst(MOVED, 10);
      const how = { sessions, pauseMs: 2, isKeyed };
      const load = await publishAllOver(t, cluster.url(), LONG_HISTORY, how);
      await load.more(200);
      const [one, other] = [await cluster.masterOf(0), await cluster.masterOf(16_383)];
      // One after the other: each is on its way for a moment, in which calls are under way as well.
      for (let moved = 0; moved < MOVED; moved++) await cluster.moveSlots(1, one, other);
      await load.more(200);
      await cluster.moveSlots(MOVED, other, one);
      await load.more(200);
      const rooms = await load.end(cluster);
      t.equal(lostIn(t, rooms), 0);
      noneTwice(t, rooms);
      inOrder(t, rooms);
    },
  );
}

void t.test("a node is added, gets slots, gives them back and is removed", async (t) => {
  const cluster = await startRedisCluster(t, { replicas: 0 });
  const load = await publishAllOver(t, cluster.url(), LONG_HISTORY);
  const [first] = await cluster.masters();
  if (!first) throw new Error("a master");
  const added = await cluster.addNode();
  const moved = await cluster.moveSlots(1_000, first, added);
  await load.more(200);
  await cluster.moveSlots(moved.length, added, first);
  await cluster.removeNode(added);
  await load.more(200);
  const rooms = await load.end(cluster);
  t.equal(lostIn(t, rooms), 0);
  noneTwice(t, rooms);
  inOrder(t, rooms);
});

void t.test("a failover that is asked for loses nothing", async (t) => {
  const cluster = await startRedisCluster(t);
  const load = await publishAllOver(t, cluster.url(), LONG_HISTORY);
  await load.more(200);
  const [first] = await cluster.masters();
  if (!first) throw new Error("a master");
  await cluster.failover(first);
  await load.more(1_000);
  const rooms = await load.end(cluster);
  t.equal(lostIn(t, rooms), 0);
  noneTwice(t, rooms);
  inOrder(t, rooms);
});

for (const [signal, what] of [
  ["SIGKILL", "is killed"],
  ["SIGSTOP", "hangs"],
] as const) {
  void t.test(`a master ${what}: what a replica had is kept, and none is doubled`, async (t) => {
    const cluster = await startRedisCluster(t);
    const load = await publishAllOver(t, cluster.url(), { ...SOON, waitReplicas: 1 });
    await load.more(200);
    const [first] = await cluster.masters();
    if (!first) throw new Error("a master");
    await cluster.kill(first, signal);
    // It has no replica now that could acknowledge: what is published there is not confirmed.
    await cluster.revive(first);
    await cluster.settled();
    await load.more(1_000);
    const rooms = await load.end(cluster);
    t.equal(lostIn(t, rooms), 0, "nothing that was confirmed is lost");
    noneTwice(t, rooms);
    ascending(t, rooms);
  });
}
