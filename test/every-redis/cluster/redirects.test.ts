import t, { type Test } from "tap";
import {
  ClusterTopology,
  Link,
  nodeCommands,
  parseRedisUrl,
  slotOf,
  type ClusterMaster,
} from "@inthon/emitter";
import { eventually } from "../../helpers/eventually.js";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";

const ADD = "return redis.call('RPUSH', KEYS[1], ARGV[1])";
const UNDONE = { name: "UndoneError" };

function linkTo(t: Test, node: ClusterMaster): Link {
  const link: Link = new Link(node.route, {
    timeoutMs: 2_000,
    prove: async (inTime) => {
      await inTime(link.client.ping());
    },
  });
  t.teardown(() => link.close());
  link.open();
  return link;
}

void t.test(
  "a node's commands follow its slots: by ASK at once, by MOVED when asked again",
  async (t) => {
    const cluster = await startRedisCluster(t, { masters: 2, replicas: 0 });
    const [from, to] = cluster.nodes;
    const target = parseRedisUrl(cluster.url());
    if (!from || !to || "problem" in target || target.kind !== "cluster")
      throw new Error("a cluster");
    const topology = new ClusterTopology(target);
    topology.open();
    t.teardown(() => topology.close());
    await eventually(() => Promise.resolve(topology.unassigned === 0));
    const [key, another] = ["{a}1", "{a}2"];
    const slot = String(slotOf(key));
    const source = await cluster.masterOf(slotOf(key));
    const destination = source === from ? to : from;
    const home = topology.masterOf(slotOf(key));
    const guest = [...topology.masters()].find((master) => master !== home);
    if (!home || !guest) throw new Error("masters");
    const [link, guestLink] = [linkTo(t, home), linkTo(t, guest)];
    await eventually(() => Promise.resolve(link.isUp && guestLink.isUp));
    const commands = nodeCommands(link, home, {
      topology,
      guest: (address) => ({ node: topology.nodeAt(address), link: guestLink }),
    });
    const add = (keys: string[], value: string) => commands.eval(ADD, { keys, arguments: [value] });

    t.equal(await add([key], "here"), 1);
    await destination.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id);
    await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", destination.id);
    t.equal(await add([key], "still here"), 2);
    const where = ["127.0.0.1", String(destination.redis.port), "", "0", "1000"];
    await source.ask("MIGRATE", ...where, "KEYS", key);
    const both = await Promise.all(["one", "two"].map((value) => add([key], value)));
    t.strictSame(both, [3, 4], "where it is already, in their order");
    await t.rejects(add([key, another], "x"), UNDONE, "one is there, the other nowhere");
    t.equal(topology.masterOf(slotOf(key)), home, "nothing has moved for good");

    await destination.ask("CLUSTER", "SETSLOT", slot, "NODE", destination.id);
    await source.ask("CLUSTER", "SETSLOT", slot, "NODE", destination.id);
    await t.rejects(add([key], "x"), UNDONE, "it is another one's");
    t.equal(topology.masterOf(slotOf(key)), guest, "which is known at once");
    t.strictSame(await destination.ask("LRANGE", key, "0", "-1"), [
      "here",
      "still here",
      "one",
      "two",
    ]);
  },
);
