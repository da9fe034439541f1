import t, { type Test } from "tap";
import { ErrorReply } from "redis";
import {
  ClusterTopology,
  parseRedisUrl,
  redirectionOf,
  isClusterPause,
  slotOf,
  type ClusterMaster,
} from "@inthon/emitter";
import { historyKey, roomChannel, roomName, type SessionId } from "@inthon/emitter/protocol";
import { eventually } from "../../helpers/eventually.js";
import {
  startRedisCluster,
  type ClusterNode,
  type RedisCluster,
} from "../../helpers/processes/redis-cluster.js";

function openTopology(t: Test, url: string, now?: () => number) {
  const target = parseRedisUrl(url);
  if ("problem" in target || target.kind !== "cluster") throw new Error("a cluster's URL");
  const topology = new ClusterTopology(target, undefined, now);
  const moved = new Map<number, string | undefined>();
  /** All that have ever had a slot. */
  const owners = new Set<string | undefined>();
  topology.onChange((change) => {
    for (const slot of change.moved) {
      const name = topology.masterOf(slot)?.name;
      moved.set(slot, name);
      owners.add(name);
    }
  });
  const errors: string[] = [];
  topology.onError(({ message }) => errors.push(message));
  topology.open();
  t.teardown(() => topology.close());
  return { topology, moved, owners, errors };
}

function nameOf(node: ClusterNode | undefined): string {
  return `127.0.0.1:${String(node?.port)}`;
}

/** Whether it says the same as the cluster, of every slot. */
async function agrees(topology: ClusterTopology, cluster: RedisCluster): Promise<boolean> {
  for (const master of await cluster.masters()) {
    // Where it is dead, the others have not heard of that yet.
    const answer = await master.ask("CLUSTER", "SLOTS").catch(() => undefined);
    if (answer === undefined) return false;
    for (const [first, last, [host, port]] of answer as [number, number, [string, number]][]) {
      for (let slot = first; slot <= last; slot++) {
        if (topology.masterOf(slot)?.name !== `${host}:${String(port)}`) return false;
      }
    }
  }
  return topology.unassigned === 0;
}

void t.test("slots are those of Redis, and a room's keys are where its channel is", async (t) => {
  const cluster = await startRedisCluster(t, { masters: 1, replicas: 0 });
  const [node] = cluster.nodes;
  const room = roomName("lecture-1" as SessionId, "student");
  const keys = [roomChannel(room), historyKey(room), "inthon:nodes", "a", "", "{}", "a{b}c{d}"];
  // The first braces alone count, and mean nothing where they are empty, open or closed too soon.
  keys.push("{}{a}", "a{}b{c}d", "}{a}", "{{a}}", "{a", "a}b", "{é}ü", "😀{", "\u007f".repeat(300));
  for (const key of keys) t.equal(slotOf(key), await node?.ask("CLUSTER", "KEYSLOT", key), key);
  t.equal(slotOf(roomChannel(room)), slotOf(historyKey(room)));
});

void t.test("the end of an outage is told when it ends, also where all is as it was", async (t) => {
  const cluster = await startRedisCluster(t, { masters: 1, replicas: 0 });
  const { topology } = openTopology(t, cluster.url());
  let recoveries = 0;
  topology.onRecovery(() => recoveries++);
  await eventually(() => Promise.resolve(topology.unassigned === 0));
  for (const outage of [1, 2]) {
    for (const { redis } of cluster.nodes) redis.pause();
    await eventually(() => Promise.resolve(topology.hasFailed), 20_000);
    t.equal(recoveries, outage - 1);
    for (const { redis } of cluster.nodes) redis.resume();
    await eventually(() => Promise.resolve(recoveries === outage), 20_000);
  }
});

void t.test("a node's errors are read, whatever its address looks like", (t) => {
  const asked = { address: { host: "10.0.0.1", port: 1 } };
  const cases = [
    [
      "MOVED 3999 127.0.0.1:6381",
      { kind: "MOVED", slot: 3999, address: { host: "127.0.0.1", port: 6381 } },
    ],
    ["ASK 1 node.example:2", { kind: "ASK", slot: 1, address: { host: "node.example", port: 2 } }],
    [
      "MOVED 0 2001:db8::7:2",
      { kind: "MOVED", slot: 0, address: { host: "2001:db8::7", port: 2 } },
    ],
    ["MOVED 5 :7", { kind: "MOVED", slot: 5, address: { host: "10.0.0.1", port: 7 } }],
    ["MOVED", undefined],
    ["ERR MOVED 5 a:7", undefined],
  ] as const;
  for (const [message, redirection] of cases) {
    t.strictSame(redirectionOf(new ErrorReply(message), asked), redirection, message);
  }
  t.equal(redirectionOf(new Error("MOVED 5 a:7"), asked), undefined, "no answer of Redis");
  for (const message of ["TRYAGAIN Multiple keys", "CLUSTERDOWN The cluster is down"]) {
    t.ok(isClusterPause(new ErrorReply(message)), message);
  }
  t.notOk(isClusterPause(new ErrorReply("ERR TRYAGAIN")));
  t.end();
});

void t.test("the topology follows the cluster, and each change names its slots", async (t) => {
  const cluster = await startRedisCluster(t);
  // One of them names the others.
  const { topology, moved } = openTopology(t, cluster.url().replace(/,.*/, ""));
  await eventually(() => agrees(topology, cluster));
  t.equal(moved.size, 16_384, "all are new in the beginning");
  t.equal([...topology.masters()].length, 3);
  t.equal(topology.trouble, undefined);
  const known = new Map<string, ClusterMaster>();
  for (const master of topology.masters()) known.set(master.name, master);

  moved.clear();
  const [from, to] = await cluster.masters();
  if (!from || !to) throw new Error("masters");
  const slots = await cluster.moveSlots(200, from, to);
  await eventually(() => agrees(topology, cluster));
  t.strictSame([...moved.keys()].sort(), [...slots].sort(), "those that were moved, and no other");
  t.equal(
    topology.masterOf(slots[0] ?? NaN),
    known.get(`127.0.0.1:${String(to.redis.port)}`),
    "the same object as before",
  );

  moved.clear();
  const next = await cluster.kill(to);
  await eventually(() => agrees(topology, cluster));
  t.ok(moved.size > 5_000, "all that the dead one had");
  t.equal(topology.masterOf(slots[0] ?? NaN)?.name, `127.0.0.1:${String(next.redis.port)}`);
  t.equal(topology.trouble, undefined, "the dead one is not asked any more");

  // It believes to be the master, until it hears of the other.
  await cluster.revive(to);
  await cluster.settled();
  moved.clear();
  const added = await cluster.addNode();
  const all = await cluster.moveSlots(16_384, next, added);
  await eventually(() => agrees(topology, cluster));
  t.equal(moved.size, all.length);
  t.equal([...topology.masters()].length, 3, "one without slots is none of them");
});

void t.test(
  "what a node says by MOVED is believed at once, and a wrong one not for long",
  async (t) => {
    const cluster = await startRedisCluster(t, { masters: 2, replicas: 0 });
    const { topology, moved } = openTopology(t, cluster.url());
    await eventually(() => agrees(topology, cluster));
    const master = topology.masterOf(0);
    moved.clear();
    topology.moved(0, { host: "127.0.0.1", port: 9 });
    t.strictSame([...moved], [[0, "127.0.0.1:9"]]);
    t.ok([...topology.masters()].some(({ name }) => name === "127.0.0.1:9"));
    await eventually(() => Promise.resolve(topology.masterOf(0) === master));
    t.notOk([...topology.masters()].some(({ name }) => name === "127.0.0.1:9"));
  },
);

void t.test(
  "nodes may announce a name, and one that is not in the cluster any more is left",
  async (t) => {
    const args = [
      "--cluster-announce-hostname",
      "localhost",
      "--cluster-preferred-endpoint-type",
      "hostname",
    ];
    const cluster = await startRedisCluster(t, { masters: 2, replicas: 0, args: () => args });
    const [from, to] = cluster.nodes;
    if (!from || !to) throw new Error("nodes");
    // It alone is named.
    const { topology } = openTopology(t, cluster.url().replace(/,.*/, ""));
    await eventually(() => agrees(topology, cluster));
    t.match(topology.masterOf(0)?.name, /^localhost:/);
    await cluster.moveSlots(16_384, from, to);
    await cluster.removeNode(from);
    await eventually(() => agrees(topology, cluster));
    t.equal(topology.trouble, undefined);
  },
);

void t.test("a node of another cluster is left, however late its epoch", async (t) => {
  const own = await startRedisCluster(t, { masters: 2, replicas: 0 });
  const other = await startRedisCluster(t, { masters: 3, replicas: 0 });
  const epochOf = async ({ nodes }: RedisCluster) =>
    Number(/current_epoch:(\d+)/.exec(String(await nodes[0]?.ask("CLUSTER", "INFO")))?.[1]);
  t.ok((await epochOf(other)) > (await epochOf(own)));
  const stranger = other.url().replace(/^.*,/, "");
  const { topology, owners, errors } = openTopology(t, `${own.url()},${stranger}`);
  const refusals = () => errors.filter((error) => error.includes("another cluster's")).length;
  await eventually(() => agrees(topology, own));
  await eventually(() => Promise.resolve(refusals() > 0));
  // All connections break, again and again: another one is asked each time.
  const before = refusals();
  await eventually(async () => {
    if (topology.trouble) return false;
    for (const { ask } of own.nodes) await ask("CLIENT", "KILL", "TYPE", "normal");
    return refusals() > before;
  });
  await eventually(() => Promise.resolve(topology.trouble === undefined));
  await eventually(() => agrees(topology, own));
  t.notOk(owners.has(stranger), "nobody has ever been led there");
  const names = own.nodes.map(({ redis }) => `127.0.0.1:${String(redis.port)}`);
  t.strictSame([...owners].sort(), names.sort());

  const turned = openTopology(t, `redis+cluster://${stranger},${names.join(",")}`);
  await eventually(() => agrees(turned.topology, other));
  t.notOk(
    names.some((name) => turned.owners.has(name)),
    "the first address says which is meant",
  );
});

void t.test(
  "a cluster whose nodes are all replaced, one after the other, is followed",
  async (t) => {
    const cluster = await startRedisCluster(t, { masters: 2, replicas: 0 });
    const { topology, errors } = openTopology(t, cluster.url());
    await eventually(() => agrees(topology, cluster));
    for (let i = 0; i < 2; i++) {
      const [from] = cluster.nodes;
      if (!from) throw new Error("a node");
      const to = await cluster.addNode();
      await cluster.moveSlots(16_384, from, to);
      await eventually(() => agrees(topology, cluster));
      await cluster.removeNode(from);
      await eventually(() => agrees(topology, cluster));
    }
    t.equal(topology.trouble, undefined);
    t.notOk(errors.some((error) => error.includes("another cluster's")));
  },
);

void t.test(
  "a cluster in the place of one of which nobody answers is a stranger for 30 seconds, and then believed",
  async (t) => {
    const own = await startRedisCluster(t, { masters: 1, replicas: 0 });
    const next = await startRedisCluster(t, { masters: 1, replicas: 0 });
    let clock = 0;
    const urls = `${own.url()},${next.url().replace(/^.*\//, "")}`;
    const { topology, owners, errors } = openTopology(t, urls, () => clock);
    const [name, stranger] = [own, next].map(({ nodes: [node] }) => nameOf(node));
    // A node that has met nobody does not say where it is: no view is compared.
    const follows = (node: string | undefined) =>
      eventually(() => Promise.resolve(topology.masterOf(0)?.name === node));
    await follows(name);
    await own.nodes[0]?.redis.stop();
    const refusals = () => errors.filter((error) => error.includes("another cluster's")).length;
    clock = 30_000;
    // Each that is there is asked again and again.
    await eventually(() => Promise.resolve(refusals() >= 3));
    t.strictSame([...owners], [name], "nobody has been led there");
    clock++;
    await follows(stranger);
    t.strictSame([...owners], [name, stranger]);
  },
);
