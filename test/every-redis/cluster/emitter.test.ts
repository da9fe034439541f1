import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { createClient, createCluster } from "redis";
import t, { type Test } from "tap";
import { connect, EmitterError, slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { eventually } from "../../helpers/eventually.js";
import { startRedisCluster, type RedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startRedis } from "../../helpers/processes/redis-server.js";
import {
  historyAt,
  inOrder,
  lostIn,
  noneTwice,
  publishAllOver,
  studentRoom,
} from "../helpers/cluster-load.js";
import { failureOf } from "../../publish/helpers/emitter-targets.js";

t.jobs = 2;

/** All that an error says, and those in it. */
function whyOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${whyOf(error.cause)}` : "";
}

const say = (note: string) => ({ note, capture_url: null });

/** Sessions whose student room each master has one of. */
async function sessionsAllOver(cluster: RedisCluster): Promise<readonly string[]> {
  const byMaster = new Map<string, string>();
  const masters = await cluster.masters();
  while (byMaster.size < masters.length) {
    const session = randomUUID();
    const { id } = await cluster.masterOf(slotOf(roomChannel(studentRoom(session))));
    byMaster.set(id, session);
  }
  return [...byMaster.values()];
}

async function listenAt(t: Test, port: number) {
  const client = createClient({ url: `redis://127.0.0.1:${String(port)}` });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  return client;
}

void t.test(
  "an event is in the history of its room's master, and heard there by SSUBSCRIBE",
  async (t) => {
    const cluster = await startRedisCluster(t, { replicas: 0 });
    // One of them names the others.
    const emitter = await connect(cluster.url().replace(/,.*/, ""));
    t.teardown(() => emitter.close());
    for (const session of await sessionsAllOver(cluster)) {
      const room = studentRoom(session);
      const master = await cluster.masterOf(slotOf(roomChannel(room)));
      const client = await listenAt(t, master.redis.port);
      const heard: Buffer[] = [];
      await client.sSubscribe(roomChannel(room), (message) => void heard.push(message), true);
      const burst = Array.from({ length: 5 }, (_, i) =>
        emitter.emit(session, "important", say(String(i))),
      );
      const places = await Promise.all(burst);
      t.strictSame(
        places.map(({ offsets }) => offsets.student?.split("-")[1]),
        ["1", "2", "3", "4", "5"],
      );
      await eventually(() => Promise.resolve(heard.length === 5));
      t.ok(heard.every((message, i) => message.includes(places[i]?.offsets.student ?? "no")));
      t.strictSame(
        (await historyAt(cluster, room)).map(({ note }) => note),
        ["0", "1", "2", "3", "4"],
      );
    }
    const [session = ""] = await sessionsAllOver(cluster);
    const { offsets } = await emitter.emit(session, "session_ended");
    t.ok(offsets.student && offsets.teacher, "rooms of one session may be at two masters");
    const given = { idempotencyKey: "mine" };
    const first = await emitter.emit(session, "hard_alert", { capture_url: null }, given);
    const again = await emitter.emit(session, "hard_alert", { capture_url: null }, given);
    t.strictSame(again, { offsets: first.offsets, duplicate: true });
  },
);

void t.test("with replicas waited for, each room's own master is asked for its own", async (t) => {
  const cluster = await startRedisCluster(t);
  const emitter = await connect(cluster.url(), { waitReplicas: 1 });
  t.teardown(() => emitter.close());
  const sessions = await sessionsAllOver(cluster);
  for (const session of sessions) {
    await emitter.emit(session, "session_ended");
    const master = await cluster.masterOf(slotOf(roomChannel(studentRoom(session))));
    const stats = String(await master.ask("INFO", "commandstats"));
    t.match(stats, /cmdstat_wait:calls=[1-9]/);
    t.notMatch(stats, /cmdstat_set:[^\n]*rejected_calls=[1-9]/, "no key of another one's");
  }
  const [session = ""] = sessions;
  const master = await cluster.masterOf(slotOf(roomChannel(studentRoom(session))));
  // Which node follows whom is gossip: the one that is asked may not have heard it yet.
  await eventually(async () => (await cluster.replicasOf(master)).length > 0);
  const [replica] = await cluster.replicasOf(master);
  if (!replica) throw new Error("a replica");
  replica.redis.pause();
  // A signal takes its time on a busy machine.
  await eventually(async () =>
    / [tT] /.test(await readFile(`/proc/${String(replica.redis.pid)}/stat`, "utf8")),
  );
  const failure = await failureOf(
    emitter.emit(session, "important", say("alone"), { timeoutMs: 1_500 }),
  );
  t.match(failure, { retryable: true });
  replica.redis.resume();
  await emitter.emit(session, "important", say("again"), { timeoutMs: 20_000 });
});

void t.test("what does not work is said at once, or within its time", async (t) => {
  const cluster = await startRedisCluster(t, { masters: 2, replicas: 0 });
  const began = performance.now();
  const slow = { connectTimeoutMs: 60_000 };
  t.match(await failureOf(connect(cluster.url("nobody:wrong@"), slow)), {
    code: "rejected",
    retryable: false,
  });
  const lone = await startRedis();
  t.teardown(() => lone.stop());
  const url = lone.url.replace("redis:", "redis+cluster:");
  await t.rejects(connect(url, slow), {
    code: "rejected",
    message: /no Redis Cluster.*redis:\/\//,
  });
  t.ok(performance.now() - began < 50_000, "at once");
  await lone.stop();
  const late = { connectTimeoutMs: 500 };
  await t.rejects(connect(url, late), {
    code: "unavailable",
    message: /no node of the cluster has answered.*ECONNREFUSED/,
  });

  const emitter = await connect(cluster.url());
  t.teardown(() => emitter.close());
  const [first] = cluster.nodes;
  for (const { ask } of cluster.nodes) await ask("CLUSTER", "DELSLOTSRANGE", "0", "8191");
  await first?.ask("CLUSTER", "BUMPEPOCH");
  await t.rejects(connect(cluster.url(), late), {
    code: "unavailable",
    message: /8192 of its 16384 slots have no master/,
  });
  const session = randomUUID();
  const failure = await failureOf(emitter.emit(session, "session_ended", {}, { timeoutMs: 500 }));
  t.match(failure, { code: "unavailable", retryable: true });
  await first?.ask("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
  t.ok((await emitter.emit(session, "session_ended", {}, { timeoutMs: 10_000 })).offsets.student);
});

void t.test(
  "a shard that is away when an emitter connects is missed by its own rooms alone, and told by its address",
  async (t) => {
    const cluster = await startRedisCluster(t, {
      replicas: 0,
      args: () => ["--cluster-require-full-coverage", "no"],
    });
    const [gone, ...others] = await cluster.masters();
    if (!gone) throw new Error("a master");
    const sessions = await sessionsAllOver(cluster);
    const owners = await Promise.all(
      sessions.map((session) => cluster.masterOf(slotOf(roomChannel(studentRoom(session))))),
    );
    gone.redis.kill("SIGKILL");
    await gone.redis.exited;
    const hosts = others.map(({ redis }) => `127.0.0.1:${String(redis.port)}`);
    const errors: Error[] = [];
    const emitter = await connect(`redis+cluster://${hosts.join(",")}`, {
      onError: (error) => void errors.push(error),
    });
    t.teardown(() => emitter.close());
    t.ok(
      errors.some(({ message }) => /:\d+ \(slots [\d-]+\): /.test(message)),
      "which slots",
    );
    t.ok(errors.some(({ message }) => message.includes(`:${String(gone.redis.port)} (slots`)));
    for (const [i, session] of sessions.entries()) {
      const publishing = emitter.emit(session, "important", say(""), { timeoutMs: 5_000 });
      if (owners[i] !== gone) {
        t.ok((await publishing).offsets.student);
        continue;
      }
      const failure: unknown = await publishing.catch((error: unknown) => error);
      if (!(failure instanceof EmitterError)) throw failure;
      t.match(failure, { code: "unavailable", retryable: true });
      t.notMatch(failure.message, String(gone.redis.port), "strangers may be told this");
      t.match(whyOf(failure), String(gone.redis.port), "and its cause is the operator's");
    }
    await gone.redis.restart();
    const [ofGone = ""] = sessions.filter((_, i) => owners[i] === gone);
    const back = await emitter.emit(ofGone, "important", say("back"), { timeoutMs: 20_000 });
    t.ok(back.offsets.student);
  },
);

void t.test(
  "a node that refuses the emitter is passed over where another one answers",
  async (t) => {
    const cluster = await startRedisCluster(t, { masters: 1, replicas: 1 });
    const [master] = await cluster.masters();
    const refusing = cluster.nodes.find((node) => node !== master);
    await refusing?.ask("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "-@all");
    await master?.ask("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all");
    const host = (port = 0) => `127.0.0.1:${String(port)}`;
    // It is the first to be asked, and refuses; the other one alone may name the cluster.
    const url = `redis+cluster://app:pw@${host(refusing?.redis.port)},${host(master?.redis.port)}`;
    const errors: Error[] = [];
    const emitter = await connect(url, { onError: (error) => void errors.push(error) });
    t.teardown(() => emitter.close());
    t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.student);
    await eventually(() =>
      Promise.resolve(errors.some(({ message }) => message.includes("NOPERM"))),
    );
    await refusing?.ask("ACL", "DELUSER", "app");
    const wrong = await failureOf(connect(url.replace(`,${host(master?.redis.port)}`, "")));
    t.match(wrong, { code: "rejected", retryable: false }, "alone it is told at once");
  },
);

void t.test("a cluster client of the redis package works as well", async (t) => {
  const cluster = await startRedisCluster(t, { replicas: 0 });
  const client = createCluster({
    rootNodes: cluster.nodes.map(({ redis }) => ({ url: redis.url })),
  });
  client.on("error", () => undefined);
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const load = await publishAllOver(t, client, { historyLimit: 100_000 });
  await load.more(200);
  const [from, to] = await cluster.masters();
  if (!from || !to) throw new Error("masters");
  await cluster.moveSlots(2_000, from, to);
  await load.more(200);
  const rooms = await load.end(cluster);
  t.equal(lostIn(t, rooms), 0);
  noneTwice(t, rooms);
  inOrder(t, rooms);
  await load.emitter.close();
  t.equal(await client.get("it is left open"), null);
  await t.rejects(connect(client, { waitReplicas: 1 }), { code: "invalid_option" });
});

void t.test("a cluster client of the redis package follows an ASK", async (t) => {
  const cluster = await startRedisCluster(t, { masters: 2, replicas: 0 });
  const client = createCluster({
    rootNodes: cluster.nodes.map(({ redis }) => ({ url: redis.url })),
  });
  client.on("error", () => undefined);
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const emitter = await connect(client);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const room = studentRoom(session);
  const slot = slotOf(roomChannel(room));
  const emit = async (note: string) => {
    const call = emitter.emit(session, "important", say(note), { timeoutMs: 20_000 });
    return (await call).offsets.student?.split("-")[1];
  };
  t.equal(await emit("here"), "1");
  const source = await cluster.masterOf(slot);
  const target = cluster.nodes.find((node) => node !== source);
  if (!target) throw new Error("another master");
  await target.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source.id);
  await source.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target.id);
  const keys = (await source.ask("CLUSTER", "GETKEYSINSLOT", String(slot), "100")) as string[];
  const where = ["127.0.0.1", String(target.redis.port), "", "0", "1000"];
  await source.ask("MIGRATE", ...where, "KEYS", ...keys);
  // Some of its keys are nowhere: only when the slot has arrived can it be done, and it is done once, in its place.
  const between = ["on its way", "behind it"].map(emit);
  const asked = async (node: typeof source, command: string) =>
    String(await node.ask("INFO", "commandstats")).includes(`cmdstat_${command}:`);
  await eventually(() => asked(target, "asking"));
  await target.ask("CLUSTER", "SETSLOT", String(slot), "NODE", target.id);
  await source.ask("CLUSTER", "SETSLOT", String(slot), "NODE", target.id);
  t.strictSame(await Promise.all(between), ["2", "3"]);
  t.equal(await emit("there"), "4");
  t.strictSame(
    (await historyAt(cluster, room)).map(({ note }) => note),
    ["here", "on its way", "behind it", "there"],
  );
});

const hasIPv6 = Object.values(networkInterfaces()).some((one) =>
  one?.some(({ address }) => address === "::1"),
);
const skip = hasIPv6 ? false : "this machine has no ::1";

void t.test("nodes that announce an IPv6 address are reached by it", { skip }, async (t) => {
  const cluster = await startRedisCluster(t, {
    masters: 2,
    replicas: 0,
    args: () => ["--bind", "127.0.0.1", "::1", "--cluster-announce-ip", "::1"],
  });
  const emitter = await connect(cluster.url().replaceAll("127.0.0.1", "[::1]"));
  t.teardown(() => emitter.close());
  const sessions = await sessionsAllOver(cluster);
  for (const session of sessions) await emitter.emit(session, "session_ended");
  const [from, to] = cluster.nodes;
  if (!from || !to) throw new Error("nodes");
  const clients = String(await from.ask("CLIENT", "LIST"));
  t.match(clients, "laddr=[::1]:");
  // What MOVED says has no brackets.
  await cluster.moveSlots(16_384, from, to);
  for (const session of sessions) {
    t.ok((await emitter.emit(session, "session_ended")).offsets.student);
  }
});
