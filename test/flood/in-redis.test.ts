/** Whoever may write to the same Redis can make its values as long as that takes them. A replica reads so much and no more. */
import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import {
  epochsKey,
  historyKey,
  announcedKey,
  parseOffset,
  roomName,
  teachersKey,
  type SessionId,
} from "@inthon/emitter/protocol";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { residentMiB } from "../helpers/process-cost.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { comeBack } from "../resume/helpers/returning-redis.js";
import { refusalsIn } from "./refusals-in.js";

const MB = 1_000_000;
/** What a value here adds to a replica that reads it whole is more. */
const MAX_GROWTH_MIB = 60;

/** A replica whose heap is small, beside a class that must not notice anything. */
async function open(t: Test, env: Readonly<Record<string, string>> = {}) {
  const cluster = await startCluster({
    replicas: 1,
    env: { NODE_OPTIONS: "--max-old-space-size=128", ...env },
  });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const server = cluster.replica(0);
  const session = randomUUID() as SessionId;
  const back = (offset: string) => comeBack(t, server.url, session, offset);
  const publish = async (of: string, note: string) => {
    const response = await fetch(`${server.url}/sessions/${of}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ event: "important", note, capture_url: null }),
    });
    t.equal(response.status, 202);
    return ((await response.json()) as { offsets: { student: string } }).offsets.student;
  };
  const where = { url: server.url, session: "neighbour", role: "student", kind: "plain" } as const;
  const neighbour = await join(where);
  t.teardown(() => neighbour.close());
  const before = await residentMiB(server.pid);
  const livesOn = async () => {
    const note = randomUUID();
    await publish("neighbour", note);
    await neighbour.inbox.next(({ object }) => object["note"] === note);
    const growth = (await residentMiB(server.pid)) - before;
    t.comment(`grew by ${String(growth)} MiB`);
    t.ok(growth < MAX_GROWTH_MIB, `grew by ${String(growth)} MiB`);
    t.notMatch(server.output(), /Redis is away|FATAL/);
  };
  return { server, redis, session, back, publish, livesOn };
}

void t.test(
  "an entry of a history that is longer than any event is a place without one",
  async (t) => {
    const { server, redis, session, back, publish, livesOn } = await open(t);
    const key = historyKey(roomName(session, "student"));
    const first = await publish(session, "first");
    const { epoch } = parseOffset(first) ?? { epoch: 0 };
    const tooLong = [
      { event: JSON.stringify({ event: "important", note: "x".repeat(100 * MB) }) },
      { ["x".repeat(MB)]: "x".repeat(MB) },
      Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`field ${String(i)}`, "x"])),
    ];
    for (const entry of tooLong) await redis.xAdd(key, `${String(epoch)}-*`, entry);
    await publish(session, "last");
    const url = `${server.url}/sessions/${session}/events?role=student`;
    const page = (await (await fetch(url)).json()) as { events: { event: { note: string } }[] };
    t.strictSame(
      page.events.map(({ event }) => event.note),
      ["first", "last"],
    );
    const { isRecovered, inbox } = await back(first);
    t.ok(isRecovered);
    await inbox.next(({ note }) => note === "last");
    t.ok((refusalsIn(server.output()).get("bad_bus_message") ?? 0) >= tooLong.length, "counted");
    await livesOn();
  },
);

void t.test(
  "what is remembered of a history is no more than its limit, however long that is",
  async (t) => {
    const { redis, session, back, publish, livesOn } = await open(t);
    const key = historyKey(roomName(session, "student"));
    const first = await publish(session, "first");
    const { epoch } = parseOffset(first) ?? { epoch: 0 };
    const event = JSON.stringify({
      event: "important",
      note: "x".repeat(1_000),
      capture_url: null,
      created_at: "2026-01-01T00:00:00Z",
    });
    for (let i = 0; i < 100; i++) {
      const batch = redis.multi();
      for (let j = 0; j < 1_000; j++) batch.xAdd(key, `${String(epoch)}-*`, { event });
      await batch.execAsPipeline();
    }
    // Nobody remembers so much.
    t.equal((await back(first)).isRecovered, false);
    t.equal((await back(`${String(epoch)}-99500`)).isRecovered, true);
    await livesOn();
  },
);

void t.test("the epochs of a history that are longer than ours are none", async (t) => {
  const { redis, session, back, publish, livesOn } = await open(t);
  const key = epochsKey(roomName(session, "student"));
  const first = await publish(session, "first");
  const text = (await redis.get(key)) ?? "";
  await redis.set(key, text + " 1:1".repeat(25 * MB));
  const { isRecovered, inbox } = await back(first);
  t.ok(isRecovered);
  await publish(session, "second");
  await inbox.next(({ note }) => note === "second");
  await livesOn();
});

/** Adds so many, some thousands at once. */
async function addMany(count: number, add: (from: number, to: number) => Promise<unknown>) {
  for (let i = 0; i < count; i += 10_000) await add(i, i + 10_000);
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

void t.test("made-up nodes are asked for no more than any cluster has", async (t) => {
  const { server, redis, livesOn } = await open(t);
  const score = Date.now() + 3_600_000;
  await addMany(300_000, (from, to) =>
    redis.zAdd(
      "inthon:nodes",
      range(from, to).map((i) => ({ score, value: `made-up.${String(i)}` })),
    ),
  );
  await redis.zAdd("inthon:nodes", { score: 2 * score, value: "x".repeat(100 * MB) });
  await redis.zAdd("inthon:nodes", { score: 1, value: "y".repeat(100 * MB) });
  const counts = "inthon:node:{made-up.1}:connections";
  await redis.hSet(counts, "session_neighbour_student", "x".repeat(100 * MB));
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`${server.url}/sessions/neighbour`);
    t.equal(response.status, 200);
  }
  await livesOn();
});

void t.test("of teachers that nobody holds so many are looked at, and taken out", async (t) => {
  const { server, redis, session, livesOn } = await open(t, { LEASE_MS: "2000" });
  const where = { url: server.url, session, kind: "plain" } as const;
  const teacher = await join({ ...where, role: "teacher" });
  t.teardown(() => teacher.close());
  const student = await join({ ...where, role: "student" });
  t.teardown(() => student.close());
  const set = teachersKey(session);
  await redis.sAdd(set, "x".repeat(100 * MB));
  await redis.set(
    announcedKey(roomName("neighbour" as SessionId, "student")),
    "1".repeat(100 * MB),
  );
  await addMany(500_000, (from, to) =>
    redis.sAdd(
      set,
      range(from, to).map((i) => `made-up.${String(i % 100)}/${String(i)}`),
    ),
  );
  const most = await redis.sCard(set);
  // What is seen of them is mended, again and again.
  await eventually(async () => (await redis.sCard(set)) < most - 500);
  await redis.del(set);
  // The set is what it was, and so is what students are told.
  await eventually(async () => (await redis.sCard(set)) === 1);
  await teacher.close();
  await student.inbox.next(({ object }) => object["is_online"] === false);
  await livesOn();
});

void t.test("a list of what a dead node held is swept in pieces, however long", async (t) => {
  const { server, redis, session, livesOn } = await open(t, { LEASE_MS: "2000" });
  const student = await join({ url: server.url, session, role: "student", kind: "plain" });
  t.teardown(() => student.close());
  await redis.sAdd(teachersKey(session), "dead.1/last");
  const held = "inthon:node:{dead.1}:teachers";
  await redis.sAdd(held, [`${session}/last`, "x".repeat(100 * MB)]);
  await addMany(500_000, (from, to) =>
    redis.sAdd(
      held,
      range(from, to).map((i) => `made-up-${String(i)}/x`),
    ),
  );
  const most = await redis.sCard(held);
  await redis.zAdd("inthon:nodes", { score: 1, value: "dead.1" });
  await eventually(async () => (await redis.sCard(held)) < most - 2_000);
  await livesOn();
});
