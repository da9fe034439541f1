import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import type { Role } from "@inthon/emitter/protocol";
import { join, type Client, type ClientKind, type Received } from "../helpers/clients/clients.js";
import { startOnRedis } from "../helpers/deployments/on-redis.js";
import { jobsOfRun } from "../helpers/deployments/kinds.js";
import { eventually } from "../helpers/eventually.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = jobsOfRun(3);

const KINDS = ["websocket", "polling", "plain", "event-stream"] as const;
const LEASE_MS = 3_000;

/** A cluster with short leases, and what a test needs to look into it. */
async function open(
  t: Test,
  env: Record<string, string> = {},
  redisOptions = { appendOnly: true },
) {
  const { cluster, redis } = await startOnRedis(t, {
    replicas: 3,
    env: { LEASE_MS: String(LEASE_MS), ...env },
    redis: redisOptions,
  });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const enter = async (replica: number, session: string, role: Role, kind: ClientKind) => {
    const client = await join({ url: cluster.replica(replica).url, session, role, kind });
    t.teardown(() => client.close());
    return client;
  };
  const card = (session: string) =>
    redis.at(`session:${session}:teachers`).sCard(`session:${session}:teachers`);
  /** Waits until everything that was announced before has arrived. */
  const settle = async (session: string, students: readonly Client[]) => {
    const note = randomUUID();
    await emitter.emit(session, "important", { note, capture_url: null });
    await Promise.all(
      students.map(({ inbox }) => inbox.next(({ object }) => object["note"] === note)),
    );
  };
  return { cluster, redis, enter, card, settle };
}

function told({ inbox }: Client): unknown[] {
  const isPresence = ({ event }: Received) => event === "teacher_presence";
  return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
}

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;

void t.test("a killed replica's teachers are taken out, and that is told once", async (t) => {
  const { cluster, enter, card, settle } = await open(t);
  const lectures = await Promise.all(
    KINDS.map(async (kind) => {
      const session = randomUUID();
      const students = await Promise.all([1, 2].map((i) => enter(i, session, "student", kind)));
      await enter(0, session, "teacher", kind);
      await Promise.all(students.map(({ inbox }) => inbox.next(hears(true))));
      return { session, students, kind };
    }),
  );
  cluster.replica(0).kill("SIGKILL");
  for (const { session, students, kind } of lectures) {
    await Promise.all(students.map(({ inbox }) => inbox.next(hears(false))));
    await eventually(async () => (await card(session)) === 0);
    await settle(session, students);
    for (const student of students) t.strictSame(told(student), [true, false], kind);
    const late = await enter(1, session, "student", kind);
    t.equal((await late.connected).teacher_online, false);
  }
});

void t.test(
  "a frozen replica's teachers leave with its lease, and come back with it",
  async (t) => {
    const { cluster, enter, card, settle } = await open(t);
    const session = randomUUID();
    const students = await Promise.all(
      KINDS.map((kind, i) => enter((i % 2) + 1, session, "student", kind)),
    );
    for (const kind of KINDS) await enter(0, session, "teacher", kind);
    await settle(session, students);

    cluster.replica(0).pause();
    await Promise.all(students.map(({ inbox }) => inbox.next(hears(false))));
    const during = await enter(2, session, "student", "plain");
    t.equal((await during.connected).teacher_online, false);
    cluster.replica(0).resume();
    await during.inbox.next(hears(true));
    await eventually(async () => (await card(session)) === KINDS.length);
    await settle(session, [...students, during]);
    for (const student of students) t.strictSame(told(student), [true, false, true]);
    t.strictSame(told(during), [true]);
  },
);

void t.test(
  "Redis that forgets everything is told anew, and students hear nothing of it",
  async (t) => {
    const { cluster, redis, enter, card, settle } = await open(t);
    const session = randomUUID();
    const students = await Promise.all(
      KINDS.map((kind, i) => enter(i % 3, session, "student", kind)),
    );
    await enter(1, session, "teacher", "plain");
    await enter(2, session, "teacher", "websocket");
    await settle(session, students);

    await redis.empty();
    await eventually(async () => (await card(session)) === 2);
    const late = await enter(0, session, "student", "plain");
    t.equal((await late.connected).teacher_online, true);
    await settle(session, [...students, late]);
    for (const student of students) t.strictSame(told(student), [true]);
    t.strictSame(told(late), []);

    await t.test("also when the teacher's replica dies of it", async (t) => {
      const alone = randomUUID();
      const student = await enter(0, alone, "student", "plain");
      await enter(2, alone, "teacher", "plain");
      await student.inbox.next(hears(true));
      cluster.replica(2).kill("SIGKILL");
      await redis.empty();
      await student.inbox.next(hears(false));
      t.equal(await card(alone), 0);
    });
  },
);

void t.test(
  "a sweeper that dies between the change and its announcement does not swallow it",
  async (t) => {
    const { cluster, redis, enter, card, settle } = await open(t);
    const session = randomUUID();
    const students = await Promise.all([1, 2].map((i) => enter(i, session, "student", "plain")));
    await enter(0, session, "teacher", "plain");
    await Promise.all(students.map(({ inbox }) => inbox.next(hears(true))));
    cluster.replica(0).kill("SIGKILL");
    // What a sweeper does first, and no more: the member is out, the state has a new version, nobody has been told.
    const [member = ""] = await redis
      .at(`session:${session}:teachers`)
      .sMembers(`session:${session}:teachers`);
    const script = await readScript("presence.lua");
    const keys = [
      `session:${session}:teachers`,
      `inthon:presence:{session:${session}:teachers}`,
      `inthon:window:{session:${session}:teachers}`,
      `inthon:newcomers:{session:${session}:teachers}`,
    ];
    await redis
      .at(keys[0] ?? "")
      .eval(script, { keys, arguments: ["leave", member, "60000", "0", "60000", "2000"] });
    t.equal(await card(session), 0);

    await Promise.all(students.map(({ inbox }) => inbox.next(hears(false))));
    await eventually(async () => (await redis.keys("inthon:node:*:teachers")).length === 0);
    await settle(session, students);
    for (const student of students) t.strictSame(told(student), [true, false]);
  },
);

void t.test("a rolling restart is silent while the teacher comes back by itself", async (t) => {
  const { cluster, enter, card, settle } = await open(t);
  const session = randomUUID();
  let teacher = await enter(0, session, "teacher", "plain");
  // A student on the replica that restarts next would have to move as well: this one watches from elsewhere.
  for (const [index, replica] of cluster.replicas.entries()) {
    const elsewhere = (index + 1) % cluster.replicas.length;
    const student = await enter(elsewhere, session, "student", "plain");
    t.equal((await student.connected).teacher_online, true);
    const stopped = replica.restart();
    t.equal(await teacher.closed, 1012, "come back");
    teacher = await enter(elsewhere, session, "teacher", "plain");
    await stopped;
    await eventually(async () => (await card(session)) === 1);
    await settle(session, [student]);
    t.strictSame(told(student), []);
    await student.close();
  }
});

void t.test("Redis that restarts without its memory is told anew as well", async (t) => {
  const { redis, enter, card } = await open(t, {}, { appendOnly: false });
  const session = randomUUID();
  const plain = await enter(1, session, "teacher", "plain");
  await enter(2, session, "teacher", "websocket");
  t.equal(await card(session), 2);
  redis.kill("SIGKILL");
  await redis.exited;
  await redis.restart();
  // What was said meanwhile is gone for good, so everybody begins anew: the stock client does so by itself.
  t.equal(await plain.closed, 1012, "come back");
  await enter(0, session, "teacher", "plain");
  await eventually(async () => (await card(session)) === 2);
  const late = await enter(0, session, "student", "plain");
  t.equal((await late.connected).teacher_online, true);
});

void t.test("who comes before a node knows that Redis forgot it is in the set once", async (t) => {
  // Renewed every 3 s: time enough to come before.
  const { redis, enter, card } = await open(t, { LEASE_MS: "30000" });
  const isListed = async (member: string) => {
    const node = member.slice(0, member.indexOf("/"));
    return (await redis.at("inthon:nodes").zScore("inthon:nodes", node)) !== null;
  };
  const session = randomUUID();
  await redis.empty();
  for (const kind of KINDS) await enter(0, session, "teacher", kind);
  await eventually(async () => {
    const members = await redis
      .at(`session:${session}:teachers`)
      .sMembers(`session:${session}:teachers`);
    return (await Promise.all(members.map(isListed))).every(Boolean);
  });
  t.equal(await card(session), KINDS.length);
});

void t.test("a teacher whose connection died without a word is noticed", async (t) => {
  const { cluster, enter } = await open(t, { PING_INTERVAL_MS: "500", PING_TIMEOUT_MS: "500" });
  const base = cluster.replica(0).url.replace("http", "ws");
  // A stream's client says nothing: of that one TCP tells.
  for (const kind of ["websocket", "plain"] as const) {
    const session = randomUUID();
    const student = await enter(1, session, "student", "plain");
    const isPlain = kind === "plain";
    const query = isPlain ? "" : "?EIO=4&transport=websocket";
    // Its connection stays open, and it never gives a sign of life.
    const teacher = new WebSocket(`${base}/ws/session/${session}/teacher/${query}`, {
      autoPong: false,
    });
    t.teardown(() => {
      teacher.terminate();
    });
    if (!isPlain)
      teacher.once("message", () => {
        teacher.send("40");
      });
    await student.inbox.next(hears(true));
    await student.inbox.next(hears(false));
    t.strictSame(told(student), [true, false], kind);
  }
});

void t.test("a grace rides out a reloaded page", async (t) => {
  const { enter, card, settle } = await open(t, { TEACHER_OFFLINE_GRACE_MS: "2000" });
  const session = randomUUID();
  const student = await enter(0, session, "student", "plain");
  const first = await enter(1, session, "teacher", "plain");
  await first.close();
  const second = await enter(2, session, "teacher", "plain");
  await eventually(async () => (await card(session)) === 1);
  await settle(session, [student]);
  t.strictSame(told(student), [true]);
  await second.close();
  await student.inbox.next(hears(false));
});

async function readScript(name: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(
    new URL(`../../server/src/cluster/redis/scripts/${name}`, import.meta.url),
    "utf8",
  );
}
