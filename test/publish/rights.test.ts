import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t from "tap";
import { connect } from "@inthon/emitter";
import { CLIENT_KINDS, join, type ClientKind, type Received } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, makeUsers, rulesOfReadme, urlAs } from "../helpers/processes/redis-users.js";

const LEASE_MS = 2_000;

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;

void t.test("the users that the README tells of may do all that the product does", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  t.equal((await rulesOfReadme()).length, 2);
  const knowsSetInfo = !/redis_version:7\.[01]\./.test(await admin.info("server"));
  await makeUsers(admin, ...(knowsSetInfo ? ["+client|setinfo"] : []));
  // Nobody is somebody else by mistake.
  await admin.sendCommand("ACL SETUSER default -@all +acl +info +config +zrange +keys".split(" "));
  await admin.sendCommand(["ACL", "LOG", "RESET"]);
  const as = (user: string) => urlAs(redis.url, user);
  const denied = async () => JSON.stringify(await admin.sendCommand(["ACL", "LOG", "20"]));

  const cluster = await startCluster({
    replicas: 2,
    redis: { url: as("server") },
    env: { LEASE_MS: String(LEASE_MS), PRESENCE_WINDOW_MS: "500" },
  });
  t.teardown(() => cluster.stop());
  const emitter = await connect(as("emitter"));
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const enter = async (
    replica: number,
    role: "student" | "teacher",
    kind: ClientKind = "websocket",
  ) => {
    const client = await join({ url: cluster.replica(replica).url, session, role, kind });
    t.teardown(() => client.close());
    return client;
  };
  const students = await Promise.all(CLIENT_KINDS.map((kind, i) => enter(i % 2, "student", kind)));
  const [student] = students;
  if (!student) throw new Error("a student");

  await t.test("presence, also of a replica that dies", async () => {
    const first = await enter(0, "teacher");
    await student.inbox.next(hears(true));
    await first.close();
    await student.inbox.next(hears(false));
    const from = student.inbox.items.length;
    await enter(1, "teacher");
    await student.inbox.next(hears(true), from);
    cluster.replica(1).kill("SIGKILL");
    await student.inbox.next(hears(false), from);
    await cluster.replica(1).restart();
  });

  await t.test("publishing in every way, and reading", async (t) => {
    const event = { note: "n", capture_url: null };
    for (let i = 0; i < 5; i++) await emitter.emit(session, "important", event);
    await emitter.emit(session, "important", { ...event, note: "x".repeat(10_000) });
    await emitter.emit(session, "important", event, { idempotencyKey: "given" });
    const again = await emitter.emit(session, "important", event, { idempotencyKey: "given" });
    t.equal(again.duplicate, true);
    await emitter.emitAll(
      session,
      Array.from({ length: 300 }, () => ({ event: "important" as const, ...event })),
    );
    const { url } = cluster.replica(0);
    const last = { event: "important", ...event, note: "over HTTP" };
    await fetch(`${url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(last),
    });
    await student.inbox.next(({ object }) => object["note"] === "over HTTP");
    for (const path of ["", "/events?role=student", "/events?role=student&after=1-1"]) {
      t.equal((await fetch(`${url}/sessions/${session}${path}`)).status, 200, path);
    }
    t.equal((await fetch(`${url}/sessions/${randomUUID()}/events?role=teacher`)).status, 200);
  });

  await t.test("a few renewals of each lease", async () => {
    const before = await commandCounts(admin);
    await eventually(async () => {
      const since = commandsBetween(before, await commandCounts(admin));
      return (since.get("zadd") ?? 0) >= 40;
    });
  });

  t.equal(await denied(), "[]", "nothing was denied");

  await t.test("and nothing else", async (t) => {
    const stranger = createClient({ url: as("emitter") });
    stranger.on("error", () => undefined);
    await stranger.connect();
    t.teardown(() => {
      stranger.destroy();
    });
    for (const command of [
      `SADD session:${session}:teachers nobody`,
      "ZADD inthon:nodes 0 x",
      "DEL inthon:nodes",
      "SET inthon:presence:{x} 1",
      "FLUSHALL",
      "KEYS *",
      "PUBLISH socket.io#/# x",
      "PUBLISH socket.io-request#/# x",
      "SUBSCRIBE socket.io#/#session_x_student#",
      "CONFIG GET *",
    ]) {
      await t.rejects(stranger.sendCommand(command.split(" ")), /NOPERM/, command);
    }
  });
});
