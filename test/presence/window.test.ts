import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import type { Role } from "@inthon/emitter/protocol";
import { join, type Client, type Received } from "../helpers/clients/clients.js";
import { jobsOfRun } from "../helpers/deployments/kinds.js";
import { eventually } from "../helpers/eventually.js";
import { startOnRedis } from "../helpers/deployments/on-redis.js";
import { startServer } from "../helpers/processes/server-process.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = jobsOfRun(3);

const WINDOW_MS = 3_000;
const ENV = { PRESENCE_WINDOW_MS: String(WINDOW_MS), LEASE_MS: "2000" };
const FLAPS = 40;

async function open(t: Test, kind: "redis" | "memory") {
  const onRedis = kind === "redis" ? await startOnRedis(t, { replicas: 2, env: ENV }) : undefined;
  const server = onRedis ? undefined : await startServer({ env: ENV });
  t.teardown(() => server?.stop());
  const { cluster, redis } = onRedis ?? {};
  const urls = cluster?.replicas.map(({ url }) => url) ?? [server?.url ?? ""];
  const enter = async (replica: number, session: string, role: Role) => {
    const url = urls[replica % urls.length] ?? "";
    const client = await join({ url, session, role, kind: "plain" });
    t.teardown(() => client.close());
    return client;
  };
  /** Whether a teacher is there, whoever has been told. */
  const isOnline = async (session: string) => {
    const answer = await fetch(`${urls[0] ?? ""}/sessions/${session}`);
    return ((await answer.json()) as { teacher_online: boolean }).teacher_online;
  };
  return { cluster, redis, enter, isOnline };
}

function told({ inbox }: Client): unknown[] {
  const isPresence = ({ event }: Received) => event === "teacher_presence";
  return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
}

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;

for (const kind of ["redis", "memory"] as const) {
  void t.test(`presence that changes quickly (${kind})`, async (t) => {
    const { enter, isOnline } = await open(t, kind);

    for (const stays of [true, false]) {
      await t.test(
        `a flapping teacher who ${stays ? "stays" : "leaves"} is told once in a window`,
        async (t) => {
          const session = randomUUID();
          const student = await enter(1, session, "student");
          const begun = performance.now();
          for (let i = 0; i < FLAPS; i++) {
            const teacher = await enter(i, session, "teacher");
            await teacher.close();
          }
          if (stays) await enter(0, session, "teacher");
          await eventually(async () => (await isOnline(session)) === stays);
          await student.inbox.until(() => told(student).at(-1) === stays);
          // A change that comes after all windows is told at once, and nothing comes before it.
          const windows = Math.ceil((performance.now() - begun) / WINDOW_MS) + 1;
          const heard = told(student);
          t.ok(heard.length <= windows, `${String(heard.length)} in ${String(windows)} windows`);
          t.equal(heard[0], true, "the first one was told");
          t.ok(
            heard.every((value, i) => i === 0 || value !== heard[i - 1]),
            "each is a change",
          );
        },
      );
    }

    await t.test("who comes in the window is told what others have been told", async (t) => {
      const session = randomUUID();
      const student = await enter(1, session, "student");
      const teacher = await enter(0, session, "teacher");
      await student.inbox.next(hears(true));
      const since = performance.now();
      await teacher.close();
      await eventually(async () => !(await isOnline(session)));
      const late = await enter(1, session, "student");
      t.equal((await late.connected).teacher_online, true);
      for (const client of [student, late]) await client.inbox.next(hears(false));
      t.ok(performance.now() - since > WINDOW_MS / 2, "when the window was over");
      t.strictSame([told(student), told(late)], [[true, false], [false]]);
    });

    await t.test("what changes back within the window is not told", async (t) => {
      const session = randomUUID();
      const student = await enter(1, session, "student");
      const teacher = await enter(0, session, "teacher");
      await student.inbox.next(hears(true));
      await teacher.close();
      await eventually(async () => !(await isOnline(session)));
      const again = await enter(1, session, "teacher");
      // Another session's window begins later, and is over later.
      const other = randomUUID();
      const witness = await enter(1, other, "student");
      const visitor = await enter(0, other, "teacher");
      await visitor.close();
      await witness.inbox.next(hears(false));
      t.strictSame(told(student), [true]);
      const since = performance.now();
      await again.close();
      await student.inbox.next(hears(false));
      t.ok(performance.now() - since < WINDOW_MS / 2, "the next one is told at once");
    });
  });
}

void t.test("a replica that dies owing an announcement does not swallow it", async (t) => {
  const { cluster, redis, enter } = await open(t, "redis");
  if (!redis) throw new Error("it has one");
  const session = randomUUID();
  const student = await enter(1, session, "student");
  const teacher = await enter(0, session, "teacher");
  await student.inbox.next(hears(true));
  await teacher.close();
  const key = `session:${session}:teachers`;
  await eventually(async () => (await redis.at(key).sCard(key)) === 0);
  cluster?.replica(0).kill("SIGKILL");
  await student.inbox.next(hears(false));
  t.strictSame(told(student), [true, false]);
  await eventually(async () => (await redis.keys("inthon:node:*:teachers")).length === 0);
});
