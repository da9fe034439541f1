import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { ROLES } from "@inthon/emitter/protocol";
import { eventually } from "../helpers/eventually.js";
import { openFiles } from "../helpers/open-files.js";
import { join } from "../helpers/clients/clients.js";
import { RawBytes, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { slowLink } from "../helpers/processes/slow-link.js";
import { ENDINGS, REFUSALS } from "./endings.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const TIMES = 5;
/** Whoever is gone without a word is noticed soon. */
const ENV = { PING_INTERVAL_MS: "500", PING_TIMEOUT_MS: "500", LEASE_MS: "1000" };

for (const kind of ["Redis", "memory"] as const) {
  void t.test(`whoever has ended holds nothing, with ${kind}`, async (t) => {
    const { server, redis } = await open(t, kind);
    // Descriptors that stay open from the first connection on are none of any.
    await (await join({ url: server.url, session: "x", role: "student", kind: "plain" })).close();
    const before = openFiles(server.pid);
    const ended = Object.entries(ENDINGS).map(([name, end]) => {
      const sessions = Array.from({ length: TIMES }, () => randomUUID());
      const ends = sessions.flatMap((session) =>
        ROLES.map((role) => end(server.url, `/ws/session/${session}/${role}/`)),
      );
      return { name, sessions, done: Promise.all(ends) };
    });
    await Promise.allSettled(ended.map(({ done }) => done));
    for (const { name, sessions, done } of ended) {
      await t.test(name, async (t) => {
        await done;
        let left = "";
        await eventually(async () => {
          left = await leftOver(server, redis, sessions);
          return left === "";
        }).catch(() => undefined);
        t.equal(left, "");
      });
    }
    await t.test("none of them leaves a descriptor", async (t) => {
      await eventually(() => Promise.resolve(openFiles(server.pid) <= before)).catch(
        () => undefined,
      );
      t.ok(openFiles(server.pid) <= before, `${String(openFiles(server.pid) - before)} more`);
    });

    await t.test("refused handshakes leave no descriptor", async (t) => {
      const before = openFiles(server.pid);
      for (const [name, knock] of Object.entries(REFUSALS)) {
        const knocked = await Promise.all(Array.from({ length: TIMES }, () => knock(server.url)));
        await eventually(() => Promise.resolve(openFiles(server.pid) <= before)).catch(() =>
          t.fail(`${name}: ${String(openFiles(server.pid) - before)} open`),
        );
        for (const { socket } of knocked) socket.destroy();
      }
      t.pass(`${String(Object.keys(REFUSALS).length)} ways`);
    });
  });
}

void t.test("whoever is being admitted when its replica goes is in no set", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const link = await slowLink(redis.url, 100);
  t.teardown(() => link.close());
  const cluster = await startCluster({
    replicas: 1,
    env: ENV,
    redis: { url: redis.url },
  });
  t.teardown(() => cluster.stop());
  const leaving = await startServer({ env: { ...ENV, REDIS_URL: link.url } });
  const client = await createClient({ url: redis.url }).connect();
  t.teardown(() => {
    client.destroy();
  });
  const session = randomUUID();
  const knocked = await Promise.all(
    Array.from({ length: TIMES }, async () => {
      const raw = await RawBytes.open(leaving.url);
      raw.send(upgradeHead(`/ws/session/${session}/teacher/`));
      await raw.until(" 101 ");
      return raw;
    }),
  );
  const exit = leaving.stop();
  for (const raw of knocked) await raw.ended();
  for (const { socket } of knocked) socket.destroy();
  t.match(await exit, { code: 0 });
  await eventually(async () => (await client.sCard(`session:${session}:teachers`)) === 0);
});

async function open(t: Test, kind: "Redis" | "memory") {
  if (kind === "memory") {
    const server = await startServer({ env: ENV });
    t.teardown(() => server.stop());
    return { server, redis: undefined };
  }
  const cluster = await startCluster({ replicas: 1, env: ENV });
  t.teardown(() => cluster.stop());
  const redis = await openRedis(cluster.redisUrl);
  t.teardown(() => {
    redis.destroy();
  });
  return { server: cluster.replica(0), redis };
}

function openRedis(url: string) {
  return createClient({ url }).connect();
}

/** What is left of sessions that everybody has left, or the empty string. */
async function leftOver(
  server: ServerProcess,
  redis: Awaited<ReturnType<typeof openRedis>> | undefined,
  sessions: readonly string[],
): Promise<string> {
  for (const session of sessions) {
    const response = await fetch(`${server.url}/sessions/${session}`, {
      headers: { connection: "close" },
    });
    const text = await response.text();
    if (!text.includes('"teacher_online":false,"connections":{"teacher":0,"student":0}')) {
      return text;
    }
    if (!redis) continue;
    const members = await redis.sMembers(`session:${session}:teachers`);
    if (members.length > 0) return members.join();
    const channels = await redis.pubSubChannels(`*${session}*`);
    if (channels.length > 0) return channels.join();
  }
  return "";
}
