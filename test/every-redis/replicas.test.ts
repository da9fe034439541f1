import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect, type EmitterError } from "@inthon/emitter";
import { historyKey, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { join } from "../helpers/clients/clients.js";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, makeUsers, urlAs } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { scrape } from "../telemetry/helpers/scrape.js";
import { isFollowing, startPrimary, startReplica } from "../helpers/topologies/replicas.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const LINK_TIMEOUT_MS = 2_000;
const SOON = { timeoutMs: 3_000 };
const PATIENCE = { timeoutMs: 30_000 };
const say = (note: string) => ({ note, capture_url: null });

const isReady = async (url: string) => (await fetch(`${url}/readyz`)).ok;

async function failureOf(call: Promise<unknown>): Promise<EmitterError> {
  return call.then(
    () => Promise.reject(new Error("it resolved")),
    (error: unknown) => error as EmitterError,
  );
}

/** Replicas and an emitter that wait for so many replicas of Redis, and a student who is there. */
async function open(t: Test, url: string, waitReplicas = 1) {
  const env = {
    REDIS_URL: url,
    REDIS_WAIT_REPLICAS: String(waitReplicas),
    REDIS_LINK_TIMEOUT_MS: String(LINK_TIMEOUT_MS),
    METRICS_PORT: "0",
  };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const emitter = await connect(url, { waitReplicas, linkTimeoutMs: LINK_TIMEOUT_MS });
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const enter = async (role: "student" | "teacher") => {
    const client = await join({ url: server.url, session, role, kind: "websocket" });
    t.teardown(() => client.close());
    return client;
  };
  const student = await enter("student");
  return { server, emitter, session, enter, student };
}

void t.test("what is confirmed, a replica of Redis has", async (t) => {
  const primary = await startPrimary(t);
  const replica = await startReplica(t, primary);
  const { server, emitter, session } = await open(t, primary.url);
  const reader = await adminOf(t, replica);
  const id = parseSessionId(session);
  if (!id) throw new Error("a session");
  const key = historyKey(roomName(id, "student"));
  for (let i = 1; i <= 100; i += 2) {
    await emitter.emit(session, "important", say("by the emitter"));
    t.ok((await reader.xLen(key)) >= i);
    const body = { event: "important", ...say("over HTTP") };
    t.equal((await post(server.url, session, body)).status, 202);
    t.ok((await reader.xLen(key)) >= i + 1);
  }
});

void t.test("a replica of Redis that hangs holds up confirmations, and nothing else", async (t) => {
  const primary = await startPrimary(t);
  const replica = await startReplica(t, primary);
  const { server, emitter, session, enter, student } = await open(t, primary.url);
  t.teardown(() => {
    replica.resume();
  });
  replica.pause();

  const key = { idempotencyKey: "once" };
  const first = await failureOf(
    emitter.emit(session, "important", say("held"), { ...SOON, ...key }),
  );
  t.match(first, { code: "redis_not_replicated", retryable: true, idempotencyKey: "once" });
  t.match(first.message, /may be published, but 0 of the 1 replicas .* same idempotency key/);
  const given = { "idempotency-key": "twice" };
  const body = { event: "important", ...say("held over HTTP") };
  const refused = await post(server.url, session, body, given);
  t.equal(refused.status, 503);
  t.equal(refused.headers.get("retry-after"), "1");
  t.match(await refused.json(), {
    code: "redis_not_replicated",
    detail: /Too few replicas.*may be published.*Idempotency-Key: twice/,
  });
  const published = { via: "http", outcome: "redis_not_replicated" };
  t.equal((await scrape(server)).value("events_published_total", published), 1, "it is counted");
  await student.inbox.next(({ object }) => object["note"] === "held over HTTP");

  t.ok(await isReady(server.url), "it is ready");
  await enter("teacher");
  await student.inbox.next(({ object }) => object["is_online"] === true);
  const history = await fetch(`${server.url}/sessions/${session}/events?role=student`);
  t.match(await history.json(), { complete: true });
  t.match(server.output(), "replicas of Redis do not acknowledge events");

  const again = emitter.emit(session, "important", say("held"), { ...PATIENCE, ...key });
  t.match(
    await failureOf(emitter.emit(session, "important", say("held"), { ...SOON, ...key })),
    { code: "redis_not_replicated" },
    "a repetition waits again",
  );
  replica.resume();
  t.equal((await again).duplicate, true, "until it has it");
  t.match(await (await post(server.url, session, body, given)).json(), { duplicate: true });
  const notes = student.inbox.items.map(({ object }) => object["note"]).filter(Boolean);
  t.strictSame(notes, ["held", "held over HTTP"], "each was heard once");
});

void t.test("while no replica of Redis has them, events are heard at once", async (t) => {
  const primary = await startPrimary(t);
  const { server, session, student } = await open(t, primary.url);
  // A round takes a tenth of it.
  const emitter = await connect(primary.url, { waitReplicas: 1, linkTimeoutMs: 20_000 });
  t.teardown(() => emitter.close());
  let rounds = 0;
  await (
    await adminOf(t, primary)
  ).monitor((line) => {
    if (/"wait" "1" "2000"$/i.test(line)) rounds++;
  });
  const calls: Promise<unknown>[] = [];
  const emit = async (note: string) => {
    calls.push(emitter.emit(session, "important", say(note), PATIENCE));
    await student.inbox.next(({ object }) => object["note"] === note);
  };
  await emit("before the first round ends");
  await eventually(() => Promise.resolve(rounds === 1));
  await emit("in the first round");
  await eventually(() => Promise.resolve(rounds === 2));
  await emit("after it");
  await emit("and again");
  t.equal(rounds, 2, "while those before them are not confirmed");
  const body = { event: "important", ...say("over HTTP") };
  const posted = post(server.url, session, body);
  await student.inbox.next(({ object }) => object["note"] === "over HTTP");
  await startReplica(t, primary);
  t.equal((await posted).ok, true);
  await Promise.all(calls);
  const notes = student.inbox.items.map(({ object }) => object["note"]).filter(Boolean);
  t.equal(notes.length, 5, "each was heard once");
});

void t.test(
  "fewer replicas than are waited for confirm nothing, until they are there",
  async (t) => {
    const primary = await startPrimary(t);
    const { server, emitter, session } = await open(t, primary.url, 2);
    // A replica that follows its primary counts for it once it has said so for the first time, a second later.
    const fails = (acknowledged: number) =>
      eventually(async () => {
        const call = emitter.emit(session, "important", say("n"), SOON);
        const { code, message } = await failureOf(call);
        t.equal(code, "redis_not_replicated");
        return message.includes(`${String(acknowledged)} of the 2 replicas`);
      });
    await fails(0);
    const replica = await startReplica(t, primary);
    await fails(1);
    const another = await startReplica(t, primary);
    await emitter.emit(session, "important", say("n"), PATIENCE);
    t.equal((await post(server.url, session, { event: "important", ...say("n") })).status, 202);
    await another.end("SIGKILL");
    await fails(1);
    await another.restart();
    await isFollowing(t, another);
    await emitter.emit(session, "important", say("n"), PATIENCE);
    await replica.end("SIGKILL");
    await fails(1);
  },
);

void t.test("of a primary that dies, what was confirmed is there, once", async (t) => {
  const primary = await startPrimary(t);
  const replica = await startReplica(t, primary);
  const name = await startTcpProxy(primary.port);
  t.teardown(() => name.stop());
  const { server, emitter, session, student } = await open(t, name.url);
  const confirmed: string[] = [];
  let isOver = false;
  const publishers = Array.from({ length: 4 }, async (_, publisher) => {
    for (let i = 0; !isOver; i++) {
      const note = `${String(publisher)}-${String(i)}`;
      await emitter.emit(session, "important", say(note), PATIENCE);
      confirmed.push(note);
    }
  });
  await eventually(() => Promise.resolve(confirmed.length >= 100));
  primary.kill("SIGKILL");
  const admin = await adminOf(t, replica);
  await admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
  name.leadTo(replica.port);
  await eventually(() => isReady(server.url));
  const before = confirmed.length;
  // The promoted one has no replica of its own.
  const given = { ...SOON, idempotencyKey: "given" };
  t.match(await failureOf(emitter.emit(session, "important", say("given"), given)), {
    code: "redis_not_replicated",
  });
  t.equal(confirmed.length, before);
  await startReplica(t, replica);
  const { duplicate } = await emitter.emit(session, "important", say("given"), {
    ...given,
    ...PATIENCE,
  });
  t.equal(duplicate, true);
  await eventually(() => Promise.resolve(confirmed.length >= before + 100));
  isOver = true;
  await Promise.all(publishers);
  await emitter.emit(session, "important", say("last"), PATIENCE);
  await student.inbox.next(({ object }) => object["note"] === "last");
  const answer = await fetch(`${server.url}/sessions/${session}/events?role=student&limit=1000`);
  const { events } = (await answer.json()) as { events: { event: { note: string } }[] };
  const kept = events.map(({ event }) => event.note);
  t.strictSame([...kept].sort(), [...confirmed, "given", "last"].sort());
});

void t.test("it costs a few commands for each turn, and nothing where it is off", async (t) => {
  const primary = await startPrimary(t);
  await startReplica(t, primary);
  const admin = await adminOf(t, primary);
  const costOf = async (waitReplicas: number) => {
    const emitter = await connect(primary.url, { waitReplicas });
    t.teardown(() => emitter.close());
    await emitter.emit("warm", "session_ended");
    const before = await commandCounts(admin);
    const turn = Array.from({ length: 500 }, (_, i) =>
      emitter.emit(`lecture-${String(i)}`, "important", say("n")),
    );
    await Promise.all(turn);
    return commandsBetween(before, await commandCounts(admin));
  };
  const off = await costOf(0);
  t.equal(off.get("wait") ?? 0, 0);
  const on = await costOf(1);
  t.ok((on.get("wait") ?? 0) <= 20, `${String(on.get("wait"))} waits for 500 rooms`);
  t.ok((on.get("wait") ?? 0) >= 1);
});

void t.test("a Redis that is a replica is told as one", async (t) => {
  const primary = await startPrimary(t);
  const replica = await startReplica(t, primary);
  for (const [waitReplicas, connectTimeoutMs] of [
    [0, 5_000],
    [1, 500],
  ] as const) {
    const options = { waitReplicas, connectTimeoutMs, linkTimeoutMs: LINK_TIMEOUT_MS };
    const said = connect(replica.url, options).then(async (emitter) => {
      t.teardown(() => emitter.close());
      await emitter.emit("lecture-1", "session_ended", {}, SOON);
    });
    t.match(await failureOf(said), {
      code: "redis_read_only",
      retryable: true,
      message: /this Redis is a replica, which takes no events/,
    });
  }
});

void t.test("what it needs is said where it is asked for", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  for (const waitReplicas of [-1, 1.5, NaN]) {
    await t.rejects(connect(redis.url, { waitReplicas }), {
      code: "invalid_option",
      message: /waitReplicas/,
    });
  }
  await t.rejects(connect(createClient(), { waitReplicas: 1 }), {
    code: "invalid_option",
    message: /for URLs of Redis only/,
  });
  const admin = await adminOf(t, redis);
  await makeUsers(admin);
  const as = (user: string) => urlAs(redis.url, user);
  await t.rejects(connect(as("emitter"), { waitReplicas: 1 }), { code: "rejected" });
  const env = { REDIS_URL: as("server"), REDIS_WAIT_REPLICAS: "1" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const problem = async () =>
    (await (await fetch(`${server.url}/readyz`)).json()) as { code: string; detail: string };
  const readiness = async () => (await problem()).code;
  await eventually(async () => (await readiness()) === "redis_denies_access");
  t.match((await problem()).detail, /what it lacks is \+wait|one of its keys/);
  // As the README says.
  for (const user of ["emitter", "server"]) {
    await admin.sendCommand(["ACL", "SETUSER", user, "+wait", "~inthon:waited"]);
  }
  await eventually(() => isReady(server.url));
  await (await connect(as("emitter"), { waitReplicas: 1 })).close();

  const events = { event: "important", ...say("n") };
  const asked = async () => (await (await post(server.url, "lecture-1", events)).json()) as object;
  t.match(await asked(), { code: "redis_not_replicated" }, "there is no replica");
  await admin.sendCommand(["ACL", "SETUSER", "server", "-wait"]);
  // Before it is noticed, and after.
  t.match(await asked(), { status: 500, code: "redis_refuses_part", detail: /rights/ });
  await eventually(async () => (await readiness()) === "redis_denies_access");
  t.match(await asked(), { status: 500, code: "redis_refuses_part", detail: /rights/ });
});
