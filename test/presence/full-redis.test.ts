import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import type { Role } from "@inthon/emitter/protocol";
import { join, type Received } from "../helpers/clients/clients.js";
import { jobsOfRun } from "../helpers/deployments/kinds.js";
import { eventually } from "../helpers/eventually.js";
import { startOnRedis } from "../helpers/deployments/on-redis.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = jobsOfRun(2);

const LEASE_MS = 2_000;

async function open(t: Test) {
  const { cluster, redis } = await startOnRedis(t, {
    replicas: 2,
    env: { LEASE_MS: String(LEASE_MS) },
    redis: { args: ["--maxmemory-policy", "noeviction"] },
  });
  const enter = async (replica: number, session: string, role: Role) => {
    const { url } = cluster.replica(replica);
    const client = await join({ url, session, role, kind: "plain" });
    t.teardown(() => client.close());
    return client;
  };
  const card = (session: string) =>
    redis.at(`session:${session}:teachers`).sCard(`session:${session}:teachers`);
  const nodes = () => redis.at("inthon:nodes").zRangeWithScores("inthon:nodes", 0, -1);
  /** Resolves when some time has passed by Redis's clock, and every node has renewed its lease since. */
  const leaseLater = async () => {
    const until = Date.now() + 1.5 * LEASE_MS;
    await eventually(async () => (await nodes()).every(({ score }) => score > until));
  };
  return { cluster, redis, enter, card, nodes, leaseLater };
}

const hears = (value: boolean) => (item: Received) => item.object["is_online"] === value;

void t.test("a full Redis takes leases and leaves; what waits, heals", async (t) => {
  const { cluster, redis, enter, card, nodes, leaseLater } = await open(t);
  const staying = randomUUID();
  const leaving = randomUUID();
  await enter(0, staying, "teacher");
  const student = await enter(1, leaving, "student");
  const teacher = await enter(0, leaving, "teacher");
  await student.inbox.next(hears(true));
  const names = (await nodes()).map(({ value }) => value);

  await redis.everywhere("CONFIG", "SET", "maxmemory", "1");
  await leaseLater();
  t.strictSame((await nodes()).map(({ value }) => value).sort(), [...names].sort());
  await teacher.close();
  await eventually(async () => (await card(leaving)) === 0);
  const url = `${cluster.replica(0).url.replace("http", "ws")}/ws/session/${randomUUID()}/teacher/`;
  const refused = new WebSocket(url);
  const [code] = (await once(refused, "close")) as [number];
  t.equal(code, 1012, "told to come back, as it could not be admitted");
  const joining = enter(0, randomUUID(), "teacher");
  t.equal(await card(staying), 1);

  await redis.everywhere("CONFIG", "SET", "maxmemory", "0");
  await student.inbox.next(hears(false));
  t.equal((await (await joining).connected).role, "teacher");
  t.equal(await card(staying), 1);
});

void t.test("a replica that drains while Redis is full hands its teachers over", async (t) => {
  const { cluster, redis, enter, card, nodes, leaseLater } = await open(t);
  const session = randomUUID();
  const student = await enter(1, session, "student");
  const teacher = await enter(0, session, "teacher");
  await student.inbox.next(hears(true));
  await redis.everywhere("CONFIG", "SET", "maxmemory", "1");
  cluster.replica(0).kill("SIGTERM");
  await cluster.replica(0).exited;
  await teacher.closed;
  t.equal((await nodes()).length, 1);
  await leaseLater();
  await redis.everywhere("CONFIG", "SET", "maxmemory", "0");
  await enter(1, session, "teacher");
  t.equal(await card(session), 1, "in the place of who was there");
  t.notOk(student.inbox.items.some(hears(false)), "who was never gone");
});

void t.test("a script that is refused half-way leaves nothing", async (t) => {
  const { redis, enter, card } = await open(t);
  const session = randomUUID();
  const student = await enter(1, session, "student");
  await enter(0, session, "teacher");
  await student.inbox.next(hears(true));
  const { readFile } = await import("node:fs/promises");
  const file = "../../server/src/cluster/redis/scripts/presence.lua";
  const script = await readFile(new URL(file, import.meta.url), "utf8");
  const set = `session:${session}:teachers`;
  const version = `inthon:presence:{${set}}`;
  const before = [await redis.at(set).sMembers(set), await redis.at(version).get(version)];
  const [member = ""] = await redis.at(set).sMembers(set);

  // It may do all but write the version.
  await redis.everywhere(..."ACL SETUSER limited on nopass ~* +@all -set".split(" "));
  for (const [operation, who, key] of [
    ["leave", member, set],
    ["join", "n/x", `session:${randomUUID()}:teachers`],
  ] as const) {
    const asLimited = { username: "limited", password: "x" };
    const limited = await redis.at(key).duplicate(asLimited).connect();
    t.teardown(() => {
      limited.destroy();
    });
    const others = ["presence", "window", "newcomers"].map((what) => `inthon:${what}:{${key}}`);
    const keys = [key, ...others];
    await t.rejects(
      limited.eval(script, { keys, arguments: [operation, who, "60000", "0", "60000", "0"] }),
    );
    t.equal(await redis.at(key).exists(key), key === set ? 1 : 0, operation);
  }
  t.strictSame([await redis.at(set).sMembers(set), await redis.at(version).get(version)], before);
  t.equal(await card(session), 1);
});
