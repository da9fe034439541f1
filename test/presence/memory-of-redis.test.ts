import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { announcedKey, roomName, type Role, type SessionId } from "@inthon/emitter/protocol";
import { join, type Client, type Received } from "../helpers/clients/clients.js";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { jobsOfRun } from "../helpers/deployments/kinds.js";
import { eventually } from "../helpers/eventually.js";
import { startOnRedis, type OnRedisOptions } from "../helpers/deployments/on-redis.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = jobsOfRun(4);

const LEASE_MS = 3_000;
const ENV = { LEASE_MS: String(LEASE_MS) };

async function open(t: Test, options: OnRedisOptions = {}) {
  const { cluster, redis } = await startOnRedis(t, { replicas: 2, env: ENV, ...options });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const enter = async (replica: number, session: string, role: Role) => {
    const { url } = cluster.replica(replica);
    const client = await join({ url, session, role, kind: "plain" });
    t.teardown(() => client.close());
    return client;
  };
  /** What comes after all that was announced before. */
  const settle = async (session: string, student: Client) => {
    const note = randomUUID();
    await emitter.emit(session, "important", { note, capture_url: null });
    await student.inbox.next(({ object }) => object["note"] === note);
  };
  const members = (session: string) =>
    redis.at(`session:${session}:teachers`).sMembers(`session:${session}:teachers`);
  /** Resolves after each node has renewed its lease this many times. */
  const renewals = async (count: number) => {
    const before = await commandCounts(redis.at("inthon:nodes"));
    await eventually(async () => {
      const since = commandsBetween(before, await commandCounts(redis.at("inthon:nodes")));
      return (since.get("zadd") ?? 0) >= 2 * count;
    });
  };
  return { cluster, redis, enter, settle, members, renewals };
}

function told({ inbox }: Client): unknown[] {
  const isPresence = ({ event }: Received) => event === "teacher_presence";
  return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
}

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;
const setKey = (session: string) => `session:${session}:teachers`;
const versionKey = (session: string) => `inthon:presence:{session:${session}:teachers}`;
const announced = (session: string) => announcedKey(roomName(session as SessionId, "student"));

void t.test("whatever of presence is deleted is right again, and nobody hears of it", async (t) => {
  const { redis, enter, settle, members, renewals } = await open(t);
  const session = randomUUID();
  const student = await enter(1, session, "student");
  await enter(0, session, "teacher");
  await student.inbox.next(hears(true));
  await renewals(6);
  const [member = ""] = await members(session);
  const node = member.slice(0, member.lastIndexOf("/"));
  const held = `inthon:node:{${node}}:teachers`;

  for (const keys of [
    [setKey(session)],
    [held],
    [versionKey(session)],
    [announced(session)],
    [setKey(session), held, versionKey(session), announced(session)],
  ]) {
    await t.test(keys.join(), async (t) => {
      await redis.del(...keys);
      await eventually(async () => (await members(session)).length === 1);
      await eventually(async () => (await redis.at(held).sCard(held)) === 1);
      await renewals(16);
      await settle(session, student);
      t.strictSame(told(student), [true], "students heard nothing of it");
      const late = await enter(1, session, "student");
      t.equal((await late.connected).teacher_online, true);
      await late.close();
    });
  }

  await t.test("inthon:nodes", async (t) => {
    await redis.del("inthon:nodes");
    await eventually(async () => {
      const [now = ""] = await members(session);
      return (await members(session)).length === 1 && now !== member;
    });
    await renewals(16);
    await settle(session, student);
    t.strictSame(told(student), [true]);
    t.equal((await members(session)).length, 1);
  });
});

void t.test("a change is told, whatever Redis remembers of the ones before", async (t) => {
  const { redis, enter, members } = await open(t);
  for (const [name, spoil] of [
    [
      "an older version",
      (session: string) => redis.at(versionKey(session)).set(versionKey(session), "100"),
    ],
    [
      "an announcement of the other state",
      (session: string) => redis.at(announced(session)).set(announced(session), "2"),
    ],
    [
      "a later announcement",
      (session: string) => redis.at(announced(session)).incrBy(announced(session), 1_000_001),
    ],
    ["neither", (session: string) => redis.del(versionKey(session), announced(session))],
  ] as const) {
    await t.test(name, async (t) => {
      const session = randomUUID();
      const student = await enter(1, session, "student");
      const teacher = await enter(0, session, "teacher");
      await student.inbox.next(hears(true));
      await spoil(session);
      await teacher.close();
      await student.inbox.next(hears(false));
      t.strictSame(await members(session), []);
      await enter(0, session, "teacher");
      await student.inbox.next(hears(true), student.inbox.items.findIndex(hears(false)));
      t.strictSame(told(student), [true, false, true]);
    });
  }
});

void t.test("no key of a service takes the place of an announcement", async (t) => {
  const { cluster, redis, enter } = await open(t);
  const session = randomUUID();
  const student = await enter(1, session, "student");
  const teacher = await enter(0, session, "teacher");
  await student.inbox.next(hears(true));
  const next = Number(await redis.at(versionKey(session)).get(versionKey(session))) + 1;
  const taken = await fetch(`${cluster.replica(0).url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `presence/${String(next)}` },
    body: JSON.stringify({ event: "important", note: "", capture_url: null }),
  });
  t.equal(taken.status, 202);
  await teacher.close();
  await student.inbox.next(hears(false));
  const spaced = await fetch(`${cluster.replica(0).url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `presence ${String(next)}` },
    body: JSON.stringify({ event: "important", note: "", capture_url: null }),
  });
  t.equal(spaced.status, 400, "nobody can give the server's own keys");
});

void t.test("a teacher of no node goes away", async (t) => {
  const { redis, enter, settle, members } = await open(t);
  const nodes = await redis.at("inthon:nodes").zRange("inthon:nodes", 0, -1);
  for (const [name, node] of [
    ["of a node that is in no list", "gone.0123"],
    ["of a live node that does not hold it", nodes[0] ?? ""],
  ] as const) {
    await t.test(name, async (t) => {
      const session = randomUUID();
      await redis.at(setKey(session)).sAdd(setKey(session), `${node}/nobody`);
      const student = await enter(1, session, "student");
      t.equal((await student.connected).teacher_online, true, "as the set says");
      await student.inbox.next(hears(false));
      t.strictSame(await members(session), []);
      await settle(session, student);
      t.strictSame(told(student), [false]);
    });
  }
  await t.test("also beside one that is there", async (t) => {
    const session = randomUUID();
    const student = await enter(1, session, "student");
    await enter(0, session, "teacher");
    await redis.at(setKey(session)).sAdd(setKey(session), "gone.0123/nobody");
    await eventually(async () => (await members(session)).length === 1);
    await settle(session, student);
    t.strictSame(told(student), [true]);
  });
});

void t.test("Redis that comes back older, within a lease, is put right", async (t) => {
  // Long enough that no lease runs out meanwhile.
  const { redis, enter, members } = await open(t, {
    env: { LEASE_MS: "30000" },
  });
  const leaving = randomUUID();
  const coming = randomUUID();
  const teacher = await enter(0, leaving, "teacher");
  const witness = await enter(1, leaving, "student");
  await redis.everywhere("SAVE");
  const earlier = await members(leaving);
  t.equal(earlier.length, 1);
  // After the snapshot one leaves, and another one comes.
  await teacher.close();
  await witness.inbox.next(hears(false));
  const stays = await enter(0, coming, "teacher");
  // Whoever holds a place that Redis lost is sent away, sooner or later, and comes back.
  const over = new AbortController();
  t.teardown(() => {
    over.abort();
  });
  const isBack = stays.closed.then(() =>
    over.signal.aborted ? undefined : enter(0, coming, "teacher"),
  );
  isBack.catch((error: unknown) => {
    t.threw(error);
  });
  redis.kill("SIGKILL");
  await redis.exited;
  await redis.restart();

  await eventually(async () => (await members(leaving)).length === 0);
  await eventually(async () => (await members(coming)).length === 1);
  // Whoever comes before it has been announced anew is told what students were told, and then hears of it.
  const late = await enter(1, leaving, "student");
  if ((await late.connected).teacher_online) await late.inbox.next(hears(false));
  const here = await enter(1, coming, "student");
  if (!(await here.connected).teacher_online) await here.inbox.next(hears(true));
  // One that was sent away may still be among them, until its replica has taken it out.
  await eventually(async () => (await members(coming)).length === 1);
  t.strictSame(await members(leaving), []);
});

void t.test(
  "a teacher of whom nobody knows any more goes, also where no student looks",
  async (t) => {
    const { cluster, redis, enter, members } = await open(t);
    const session = randomUUID();
    await enter(0, session, "teacher");
    await eventually(async () => (await members(session)).length === 1);
    const [member = ""] = await members(session);
    cluster.replica(0).kill("SIGKILL");
    await redis.del(
      "inthon:nodes",
      `inthon:node:{${member.slice(0, member.lastIndexOf("/"))}}:teachers`,
    );
    await eventually(async () => (await members(session)).length === 0);
    t.pass("its set has expired");
  },
);

void t.test("a clock that was set back keeps no dead teacher", async (t) => {
  const { cluster, redis, enter, members } = await open(t);
  const session = randomUUID();
  await enter(0, session, "teacher");
  const student = await enter(1, session, "student");
  await eventually(async () => (await members(session)).length === 1);
  const [member = ""] = await members(session);
  const node = member.slice(0, member.lastIndexOf("/"));
  cluster.replica(0).kill("SIGKILL");
  // As Redis would have it whose clock was an hour ahead until now.
  await redis.at("inthon:nodes").zIncrBy("inthon:nodes", 3_600_000, node);
  await student.inbox.next(hears(false));
  t.strictSame(await members(session), []);
});
