import { createClient } from "redis";
import t from "tap";
import { eventually } from "../helpers/eventually.js";
import { startRedisCluster } from "../helpers/processes/redis-cluster.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { Network } from "./network/network.js";
import { ClusterDeployment } from "./redis/cluster/cluster-deployment.js";
import { SLOTS } from "./redis/cluster/member.js";
import { knownSlotOf } from "./redis/cluster/routing.js";
import { LuaScripts } from "./redis/lua.js";
import { RedisServer } from "./redis/redis-server.js";
import { Double, ErrorReply, FlatMap, Status, type Later, type Reply } from "./redis/replies.js";
import { randomCall } from "./redis/random-call.js";
import { Random } from "./world/random.js";
import { World } from "./world/world.js";

const SEEDS = 16;
const CALLS = 250;
const CLUSTER_CALLS = 2_000;

const observer = {
  onPublish: () => undefined,
  onAppend: () => undefined,
  onScriptFault: () => undefined,
};

const nobody = () => ({
  channels: new Set<string>(),
  shardChannels: new Set<string>(),
  isAsking: false,
  push: () => undefined,
  message: () => undefined,
});

/** As a client of the `redis` package has it, in RESP2. */
function plain(reply: Reply | Later | undefined): unknown {
  if (reply instanceof Status) return reply.text;
  if (reply instanceof Double) return reply.text;
  if (reply instanceof FlatMap) return reply.entries.map(plain);
  if (reply instanceof ErrorReply) return `error ${kindOf(reply.message)}`;
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(plain);
  return reply;
}

/** Redis's own words differ from release to release; its code does not. */
function kindOf(message: string): string {
  return message.split(" ")[0] ?? "";
}

/** A set has no order. */
function sorted(words: readonly string[], reply: unknown): unknown {
  const isSet = /^(SMEMBERS|SSCAN)$/i.test(words[0] ?? "");
  const members = isSet && Array.isArray(reply) ? (reply as unknown[]) : undefined;
  if (!members) return reply;
  return words[0] === "SSCAN"
    ? [members[0], (members[1] as string[]).toSorted()]
    : (members as string[]).toSorted();
}

void t.test(
  "the model answers what Redis answers, on random calls, alone and in scripts",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const client = createClient({ url: redis.url, RESP: 2 });
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    const scripts = await LuaScripts.load();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      await client.flushAll();
      const model = new RedisServer("model", 6379, {
        clock: () => Date.now(),
        random: random.fork(),
        scripts,
        observer,
      });
      const subscriber = nobody();
      const told: string[] = [];
      for (let i = 0; i < CALLS; i++) {
        const words = randomCall(random);
        const theirs = sorted(
          words,
          await client.sendCommand([...words]).catch((error: unknown) => {
            return `error ${kindOf(error instanceof Error ? error.message : "")}`;
          }),
        );
        const ours = sorted(words, plain(model.execute(words, subscriber)));
        told.push(
          `${words.slice(words[0] === "EVAL" ? 3 : 0).join(" ")} -> ${JSON.stringify(theirs)}`,
        );
        if (JSON.stringify(ours) === JSON.stringify(theirs)) continue;
        t.fail(`seed ${String(seed)}: ${JSON.stringify(ours)} after\n${told.slice(-8).join("\n")}`);
        return;
      }
    }
    t.pass(`${String(SEEDS * CALLS)} calls`);
  },
);

/** The keys of random calls, so that some share a slot. */
const IN_SLOTS: Readonly<Record<string, string>> = {
  "k:1": "{a}1",
  "k:2": "{a}2",
  "k:3": "{b}1",
  "k:4": "{b}2",
  "k:5": "{c}1",
};
const TAGS = ["{a}", "{b}", "{c}"] as const;

function callInSlots(random: Random): readonly string[] {
  if (random.chance(0.05)) return ["SPUBLISH", `${random.of(TAGS)}1`, "hello"];
  const words = randomCall(random).map((word) => IN_SLOTS[word] ?? word);
  if (words[0] !== "EVAL" || random.chance(0.3)) return words;
  // Keys that are declared, and may not be there.
  const keys = Array.from({ length: 1 + random.below(3) }, () =>
    random.of(Object.values(IN_SLOTS)),
  );
  return ["EVAL", words[1] ?? "", String(keys.length), ...keys, ...words.slice(3)];
}

void t.test(
  "a node of the model answers what one of a Redis Cluster does, while slots and keys move",
  async (t) => {
    const real = await startRedisCluster(t, { masters: 2, replicas: 0 });
    // Whoever started first need not have the first slots.
    const masters = [await real.masterOf(0), await real.masterOf(SLOTS - 1)];
    const nodes = await Promise.all(
      masters.map(async ({ redis, port, ask }) => {
        const client = createClient({ url: redis.url, RESP: 2 });
        const subscriber = createClient({ url: redis.url });
        await Promise.all([client.connect(), subscriber.connect()]);
        t.teardown(() => {
          client.destroy();
          subscriber.destroy();
        });
        return { client, subscriber, ask, port };
      }),
    );
    const world = new World(1);
    const scripts = await LuaScripts.load();
    const parts = { world, network: new Network(world), scripts, observer };
    const cluster = new ClusterDeployment({ ...parts, replicaLagMs: undefined }, 2, true);
    cluster.begin();
    const members = cluster.shards.map(({ primary }) => cluster.memberAt(primary));
    const clients = members.map(nobody);
    const subscribers = members.map(nobody);
    const ids = await Promise.all(nodes.map(({ ask }) => ask("CLUSTER", "MYID")));
    /** An address of either is told as the number of the node. */
    const numbered = (text: string) =>
      nodes.reduce(
        (so, { port }, i) =>
          so.replace(new RegExp(`\\S+:(${String(port)}|${String(7000 + i)})$`), `#${String(i)}`),
        text,
      );
    const errorOf = (message: string) =>
      `error ${/^(MOVED|ASK) /.test(message) ? numbered(message) : kindOf(message)}`;
    const plainOf = (reply: ReturnType<(typeof members)[number]["server"]["execute"]>) =>
      reply instanceof ErrorReply ? errorOf(reply.message) : plain(reply);
    const random = new Random(7);
    const told: string[] = [];
    const open = new Map<number, { from: number; to: number }>();

    /**
     * Each takes a slot by a newer epoch than any that it knows of. Where it has not heard of the other's newest one, both
     * have the same, one of them makes itself newer, and what it said of its slots before may be believed again.
     */
    const agreeOnEpochs = async () => {
      const infos = await Promise.all(nodes.map(({ ask }) => ask("CLUSTER", "INFO")));
      const each = (name: string) =>
        infos.map((info) => new RegExp(`${name}:(\\d+)`).exec(String(info))?.[1]);
      const [current, others] = each("cluster_current_epoch");
      const [mine, theirs] = each("cluster_my_epoch");
      return current !== undefined && current === others && mine !== theirs;
    };

    /** Lets a slot go to the other one: a step of it, at both. */
    const move = async () => {
      const tag = random.of(TAGS);
      const slot = knownSlotOf(tag);
      const from = members.findIndex((member) => member.has(slot));
      const [source, target] = [members[from], members[1 - from]];
      const [there, here] = [nodes[from], nodes[1 - from]];
      if (!source || !target || !there || !here) throw new Error("nobody has the slot");
      const setSlot = (at: typeof here, ...words: string[]) =>
        at.ask("CLUSTER", "SETSLOT", String(slot), ...words);
      if (!open.has(slot)) {
        await setSlot(here, "IMPORTING", String(ids[from]));
        await setSlot(there, "MIGRATING", String(ids[1 - from]));
        target.importing.set(slot, source);
        source.migrating.set(slot, target);
        open.set(slot, { from, to: 1 - from });
        return `${tag} is open`;
      }
      const key = source.server.database.keys.find((one) => knownSlotOf(one) === slot);
      if (key !== undefined) {
        await there.ask("MIGRATE", "127.0.0.1", String(here.port), key, "0", "2000", "REPLACE");
        source.server.giveKey(key, target.server);
        return `${key} goes to #${String(1 - from)}`;
      }
      await eventually(agreeOnEpochs);
      await setSlot(here, "NODE", String(ids[1 - from]));
      await setSlot(there, "NODE", String(ids[1 - from]));
      cluster.take([slot], target);
      await world.run(world.now + 10_000);
      open.delete(slot);
      return `${tag} is #${String(1 - from)}'s`;
    };

    for (let i = 0; i < CLUSTER_CALLS; i++) {
      if (random.chance(0.04)) {
        told.push(await move());
        continue;
      }
      const at = random.below(2);
      const [node, member, client, subscriber] = [
        nodes[at],
        members[at],
        clients[at],
        subscribers[at],
      ];
      if (!node || !member || !client || !subscriber) throw new Error("there is no such node");
      if (random.chance(0.05)) {
        const channel = `${random.of(TAGS)}1`;
        const theirs = await node.subscriber
          .sSubscribe(channel, () => undefined)
          .then(
            () => undefined,
            (error: unknown) => errorOf(error instanceof Error ? error.message : ""),
          );
        const ours = plainOf(member.server.execute(["SSUBSCRIBE", channel], subscriber));
        t.equal(ours, theirs, `SSUBSCRIBE ${channel} at #${String(at)}`);
        continue;
      }
      const words = callInSlots(random);
      const isAsking = random.chance(0.3);
      if (isAsking) {
        node.client.sendCommand(["ASKING"]).catch(() => undefined);
        member.server.execute(["ASKING"], client);
      }
      const theirs = sorted(
        words,
        await node.client.sendCommand([...words]).catch((error: unknown) => {
          return errorOf(error instanceof Error ? error.message : "");
        }),
      );
      const ours = sorted(words, plainOf(member.server.execute(words, client)));
      const how = `${words.filter((word) => word.length < 40).join(" ")} at #${String(at)}${isAsking ? ", asking" : ""}`;
      told.push(`${how} -> ${JSON.stringify(theirs)}`);
      if (JSON.stringify(ours) === JSON.stringify(theirs)) continue;
      t.fail(`${JSON.stringify(ours)} after\n${told.slice(-12).join("\n")}`);
      return;
    }
    t.ok(told.filter((line) => line.includes("is #")).length > 5, "slots have moved");
    t.ok(
      told.some((line) => line.includes("error ASK")) &&
        told.some((line) => line.includes("error TRYAGAIN")),
    );
  },
);
