import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import type { Role } from "@inthon/emitter/protocol";
import { join, type Client, type ClientKind, type Received } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

// Replicas take their time to go.
t.setTimeout(180_000);

const KINDS = ["websocket", "polling", "plain"] as const;
const LEASE_MS = 1_000;
const HANDOVER_MS = 6_000;
const SPREAD_MS = 1_000;

async function open(t: Test) {
  const cluster = await startCluster({
    replicas: 2,
    env: {
      LEASE_MS: String(LEASE_MS),
      REDIS_LINK_TIMEOUT_MS: String(LEASE_MS / 2),
      HANDOVER_MS: String(HANDOVER_MS),
      DRAIN_SPREAD_MS: String(SPREAD_MS),
      PRESENCE_WINDOW_MS: "0",
    },
  });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  redis.on("error", () => undefined);
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const enter = async (replica: number, session: string, role: Role, kind: ClientKind) => {
    const client = await join({ url: cluster.replica(replica).url, session, role, kind });
    t.teardown(() => client.close());
    return client;
  };
  /** What a student has been told of the teacher, up to now. */
  const told = async (session: string, { inbox }: Client) => {
    const note = randomUUID();
    await emitter.emit(session, "important", { note, capture_url: null });
    await inbox.next(({ object }) => object["note"] === note);
    const isPresence = ({ event }: Received) => event === "teacher_presence";
    return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
  };
  return { cluster, redis, enter, told };
}

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;

void t.test("a teacher of a drained replica who is slow to come back was never gone", async (t) => {
  const { cluster, redis, enter, told } = await open(t);
  const lectures = await Promise.all(
    KINDS.map(async (kind) => {
      const session = randomUUID();
      const student = await enter(1, session, "student", kind);
      const teacher = await enter(0, session, "teacher", kind);
      await student.inbox.next(hears(true));
      return { kind, session, student, teacher };
    }),
  );
  cluster.replica(0).kill("SIGTERM");
  await cluster.replica(0).exited;
  const endedAt = performance.now();
  // Three leases later, nobody has noticed.
  await eventually(() => Promise.resolve(performance.now() - endedAt > 3 * LEASE_MS));
  for (const { kind, session, student, teacher } of lectures) {
    await teacher.close();
    const late = await enter(1, session, "student", "plain");
    t.equal((await late.connected).teacher_online, true, kind);
    const back = await enter(1, session, "teacher", kind);
    t.strictSame(await told(session, student), [true], "not a word of it");
    t.equal(await redis.sCard(`session:${session}:teachers`), 1, "in the place of who was there");
    await back.close();
    await student.inbox.next(hears(false));
    t.ok(performance.now() - endedAt < HANDOVER_MS, "who really leaves is gone at once");
    t.strictSame(await told(session, student), [true, false]);
  }
  await eventually(async () => (await redis.zCard("inthon:leaving:{inthon:nodes}")) === 0);
  for (const { session, student } of lectures) {
    t.strictSame(await told(session, student), [true, false], "and nothing follows");
  }
});

void t.test(
  "a teacher who never comes back is announced as gone, once, when the hand-over is over",
  async (t) => {
    const { cluster, redis, enter, told } = await open(t);
    const session = randomUUID();
    const students = await Promise.all(KINDS.map((kind) => enter(1, session, "student", kind)));
    const teacher = await enter(0, session, "teacher", "plain");
    await Promise.all(students.map(({ inbox }) => inbox.next(hears(true))));
    cluster.replica(0).kill("SIGTERM");
    t.equal(await teacher.closed, 1012);
    const leftAt = performance.now();
    await Promise.all(students.map(({ inbox }) => inbox.next(hears(false))));
    const afterMs = performance.now() - leftAt;
    // This process may have been late to hear that it was sent away.
    t.ok(afterMs >= HANDOVER_MS - LEASE_MS, `after ${String(afterMs)} ms`);
    t.ok(afterMs < HANDOVER_MS + SPREAD_MS + 3 * LEASE_MS, `after ${String(afterMs)} ms`);
    await eventually(async () => (await redis.keys("inthon:node:*:teachers")).length === 0);
    for (const student of students) t.strictSame(await told(session, student), [true, false]);
  },
);

void t.test(
  "of two teachers who are sent away the one who comes back keeps the lecture's light on",
  async (t) => {
    const { cluster, redis, enter, told } = await open(t);
    const session = randomUUID();
    const student = await enter(1, session, "student", "websocket");
    const teachers = await Promise.all([1, 2].map(() => enter(0, session, "teacher", "plain")));
    await student.inbox.next(hears(true));
    cluster.replica(0).kill("SIGTERM");
    await Promise.all(teachers.map(({ closed }) => closed));
    await cluster.replica(0).exited;
    await enter(1, session, "teacher", "plain");
    t.equal(await redis.sCard(`session:${session}:teachers`), 2, "the other one is still believed");
    await eventually(async () => (await redis.sCard(`session:${session}:teachers`)) === 1);
    t.strictSame(await told(session, student), [true]);
  },
);
