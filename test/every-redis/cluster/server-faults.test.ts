import { randomUUID } from "node:crypto";
import nodeEvents from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { connect, slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { post } from "../../helpers/processes/environments.js";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startServer } from "../../helpers/processes/server-process.js";
import { scrapeUntil } from "../../telemetry/helpers/scrape.js";
import { openSchool } from "./helpers/school.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

/** The nodes agree on who is dead, and a lone one is heard of again, after their timeout; on a machine that is busy later. */
const PATIENCE_MS = 60_000;
const NOTHING = { lost: 0, sentAway: 0 };

void t.test("a failover that is asked for: nothing is lost, nobody notices", async (t) => {
  const { cluster, masters, hear, end } = await openSchool(t);
  const next = await cluster.failover(masters[0]);
  await hear();
  // And back.
  await cluster.settled();
  await cluster.failover(next);
  t.strictSame(await end(), NOTHING);
});

void t.test("slots that move, with the classes in them: nothing is lost", async (t) => {
  const { cluster, masters, hear, end } = await openSchool(t);
  await cluster.moveSlots(2_000, masters[0], masters[1]);
  await hear();
  t.strictSame(await end(), NOTHING);
});

void t.test("a node that is added takes slots, another one loses all and goes", async (t) => {
  const { cluster, masters, hear, end } = await openSchool(t);
  const added = await cluster.addNode();
  await cluster.moveSlots(2_000, masters[0], added);
  await hear();
  await cluster.moveSlots(2_000, added, masters[1]);
  await cluster.removeNode(added);
  t.strictSame(await end(), NOTHING);
});

for (const [signal, what, waitReplicas] of [
  ["SIGKILL", "is killed", 0],
  ["SIGSTOP", "hangs, and comes back", 0],
  ["SIGKILL", "is killed, replicas waited for", 1],
] as const) {
  const name = `a master that ${what}: what its replica has is heard, the rest is told`;
  void t.test(name, async (t) => {
    const { cluster, masters, hear, end } = await openSchool(t, waitReplicas);
    await cluster.kill(masters[0], signal);
    // Nobody confirms what no replica has.
    if (waitReplicas === 0) await hear();
    await cluster.revive(masters[0]);
    const { lost } = await end();
    if (waitReplicas > 0) t.equal(lost, 0, "nothing that was confirmed is lost");
  });
}

void t.test("connections of subscribers that are cut lose nothing", async (t) => {
  const { masters, hear, end } = await openSchool(t);
  for (const master of masters) {
    t.equal(await master.ask("CLIENT", "KILL", "TYPE", "pubsub"), 2, "one of each replica");
    await hear(5);
  }
  t.strictSame(await end(), NOTHING);
});

void t.test("slots that nobody has: replicas say so, and keep their connections", async (t) => {
  const { cluster, masters, servers, classes, hear, end } = await openSchool(t);
  await Promise.all(cluster.nodes.map(({ ask }) => ask("CLUSTER", "DELSLOTSRANGE", "0", "99")));
  for (const { url } of servers) {
    await eventually(async () => {
      const answer = await fetch(`${url}/readyz`);
      const text = await answer.text();
      // As it is by default: what the others have is refused with them.
      return answer.status === 503 && text.includes("redis_cluster_down");
    });
  }
  const closed = classes.flatMap(({ students }) => students.filter(({ isClosed }) => isClosed));
  t.strictSame(closed, [], "nobody was sent away");
  await masters[0].ask("CLUSTER", "ADDSLOTSRANGE", "0", "99");
  await hear();
  t.strictSame(await end(), NOTHING);
});

void t.test(
  "a master that is dead and has no replica: its slots are missing, and the others are served",
  async (t) => {
    const cluster = await startRedisCluster(t, {
      replicas: 0,
      // It comes back with all that it had.
      args: () => ["--appendonly", "yes", "--appendfsync", "always"],
    });
    const server = await startServer({ env: { REDIS_URL: cluster.url(), METRICS_PORT: "0" } });
    t.teardown(() => server.stop());
    const told = async (status: number, words: RegExp) => {
      let text = "";
      await eventually(async () => {
        const answer = await fetch(`${server.url}/readyz`);
        text = await answer.text();
        return answer.status === status && words.test(text);
      }, PATIENCE_MS);
      return text;
    };
    const missing = (count: number) =>
      scrapeUntil(server, (now) => now.value("redis_slots", { state: "missing" }) === count);
    await told(200, /"ready"/);
    const keeper = await cluster.masterOf(slotOf("inthon:nodes"));
    const [gone, other] = (await cluster.masters()).filter((master) => master !== keeper);
    if (!gone || !other) throw new Error("masters");
    const { length } = await cluster.slotsOf(gone);
    const sessions = Array.from({ length: 100 }, () => randomUUID());
    const ownerOf = (key: string) => cluster.masterOf(slotOf(key));
    const isAt = async (one: string, master: unknown) =>
      (await ownerOf(roomChannel(`session_${one}_student`))) === master &&
      (await ownerOf(`session:${one}:teachers`)) !== gone;
    const found = async (master: unknown) => {
      const are = await Promise.all(sessions.map((one) => isAt(one, master)));
      return sessions.filter((_, i) => are[i]);
    };
    const [lost = "", unheld = ""] = await found(gone);
    const [served = ""] = await found(other);

    // Another room of a session may be in another master.
    const say = (note: string) => ({ event: "important", note, capture_url: null });
    const ofStudents = say("x");
    const enter = async (session: string, kind: "websocket" | "plain") => {
      const student = await join({ url: server.url, session, role: "student", kind });
      t.teardown(() => student.close());
      return student;
    };
    const inside = [
      await enter(lost, "websocket"),
      await enter(lost, "plain"),
      await enter(served, "plain"),
    ];
    let closed = 0;
    for (const student of inside) void student.closed.then(() => closed++);
    const hears = (student: (typeof inside)[number] | undefined, note: string) =>
      student?.inbox.next(({ object }) => object["note"] === note);
    for (const session of [lost, served]) {
      t.equal((await post(server.url, session, say("before"))).status, 202);
    }
    for (const student of inside) await hears(student, "before");
    gone.redis.kill("SIGKILL");
    // As it is by default: the nodes refuse all for the sake of one.
    await told(503, /cluster-require-full-coverage.*"redis_cluster_down"/);
    const answer = await post(server.url, served, ofStudents);
    t.equal(answer.status, 503);
    t.match(await answer.text(), "cluster-require-full-coverage");
    t.match(server.output(), '"code":"redis_cluster_down"');
    for (const { ask } of [keeper, other]) {
      await ask("CONFIG", "SET", "cluster-require-full-coverage", "no");
    }

    const text = await told(200, /"degraded".*redis_slots_missing/);
    t.match(text, /they are \d+-\d+/, "which ones");
    t.notMatch(text, String(gone.redis.port), "and no address");
    await missing(length);
    await eventually(
      () => Promise.resolve(server.output().includes("have no master that works")),
      PATIENCE_MS,
    );
    t.equal((await post(server.url, served, ofStudents)).status, 202);

    // Other rooms are told, and joined; for its own nothing is taken.
    await hears(inside[2], "x");
    await enter(served, "websocket");
    const refusal = await post(server.url, lost, ofStudents);
    t.equal(refusal.status, 503);
    t.match(await refusal.json(), { code: "unavailable" });
    const emitter = await connect(cluster.url());
    t.teardown(() => emitter.close());
    const given = { idempotencyKey: "once" };
    const once = () => emitter.emit(lost, "important", { note: "once", capture_url: null }, given);
    await t.rejects(once(), { code: "unavailable", retryable: true });
    // Of a room that is held, all is known that there can be; of another one nothing.
    const late = await enter(lost, "plain");
    const url = `${server.url.replace("http", "ws")}/ws/session/${unheld}/student/`;
    const [code] = (await nodeEvents.once(new WebSocket(url), "close")) as [number];
    t.equal(code, 1012, "comes back at once, to any replica");
    t.equal(closed, 0, "who was there stays");

    await gone.redis.restart();
    await told(200, /"ready"/);
    await missing(0);
    await eventually(
      () => Promise.resolve(server.output().includes("each slot has a master again")),
      PATIENCE_MS,
    );
    t.match(await once(), { duplicate: false }, "refused is not published");
    t.match(await once(), { duplicate: true });
    const [first, second] = inside;
    const newcomer = await enter(unheld, "plain");
    for (const session of [lost, unheld]) {
      t.equal((await post(server.url, session, say("after"))).status, 202);
    }
    await hears(newcomer, "after");
    for (const student of [first, second, late]) await hears(student, "after");
    for (const student of [first, second]) {
      const notes = student?.inbox.items.map(({ object }) => object["note"]).filter(Boolean);
      t.strictSame(notes, ["before", "once", "after"]);
    }
    t.equal(closed, 0);

    keeper.redis.kill("SIGKILL");
    await told(503, /redis_slots_missing|unavailable/);
  },
);

void t.test(
  "a slot that is let go of and taken back unheard: its room is heard again",
  async (t) => {
    const cluster = await startRedisCluster(t, { replicas: 0 });
    const server = await startServer({ env: { REDIS_URL: cluster.url(), METRICS_PORT: "0" } });
    t.teardown(() => server.stop());
    const emitter = await connect(cluster.url());
    t.teardown(() => emitter.close());
    const session = randomUUID();
    const slot = slotOf(roomChannel(`session_${session}_student`));
    const { ask, redis, port } = await cluster.masterOf(slot);
    const student = await join({ url: server.url, session, role: "student", kind: "websocket" });
    t.teardown(() => student.close());
    const tell = async (note: string) => {
      await emitter.emit(session, "important", { note, capture_url: null });
      await student.inbox.next(({ object }) => object["note"] === note);
    };
    await tell("before");

    redis.kill("SIGSTOP");
    const letGo = Promise.all(
      ["DELSLOTS", "ADDSLOTS"].map((verb) => ask("CLUSTER", verb, String(slot))),
    );
    letGo.catch(() => undefined);
    // That it is gone is said in front of the answer that the subscriber now waits for.
    const link = { purpose: "subscriptions", redis: `127.0.0.1:${String(port)}` };
    await scrapeUntil(server, (one) => one.value("redis_up", link) === 0);
    redis.resume();
    await letGo;
    await tell("after");
    const told = server.output().split('Redis has let go of channels, which was not heard",');
    t.ok(told.length <= 2, "said once at most");
  },
);
