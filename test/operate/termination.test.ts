import { randomUUID } from "node:crypto";
import { connect as connectTo } from "node:net";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { historyKey, roomName, type SessionId } from "@inthon/emitter/protocol";
import { eventually } from "../helpers/eventually.js";
import { join } from "../helpers/clients/clients.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { slowLink } from "../helpers/processes/slow-link.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const LATENCY_MS = 40;
const ROUNDS = 12;
const PUBLISHERS = 20;
const ANSWER_TIMEOUT_MS = 10_000;

/** A replica whose Redis is far away, and its Redis as it is. */
async function open(t: Test, latencyMs = LATENCY_MS) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const link = await slowLink(redis.url, latencyMs);
  t.teardown(() => link.close());
  const client = createClient({ url: redis.url });
  client.on("error", () => undefined);
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const start = () => startServer({ env: { REDIS_URL: link.url, LEASE_MS: "1000" } });
  return { redis, client, start };
}

void t.test("SIGTERM at any moment ends a replica in order", async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.comment(`SEED=${String(seed)}`);
  const { client, start } = await open(t);
  const moments = fc.sample(fc.integer({ min: 0, max: 300 }), { numRuns: ROUNDS, seed });
  const answers = { published: 0, refused: 0, cut: 0 };
  for (const momentMs of moments) {
    const server = await start();
    const session = randomUUID();
    const teacher = await join({ url: server.url, session, role: "teacher", kind: "plain" });
    const ending = new AbortController();
    const statuses: number[] = [];
    const publishers = Array.from({ length: PUBLISHERS }, async () => {
      while (!ending.signal.aborted) {
        const status = await publish(server.url, session);
        if (status === undefined) answers.cut++;
        else if (status === 202) answers.published++;
        else answers.refused++;
        if (status !== undefined) statuses.push(status);
        // The listening socket is gone.
        if (status === undefined) return;
      }
    });
    await delay(momentMs);
    const exit = await server.stop();
    ending.abort();
    await Promise.all(publishers);
    t.match(exit, { code: 0, signal: null }, `after ${String(momentMs)} ms`);
    t.strictSame(
      [...new Set(statuses)].filter((status) => status !== 202 && status !== 503),
      [],
    );
    // A history keeps more than these are.
    const room = roomName(session as SessionId, "teacher");
    const confirmed = statuses.filter((status) => status === 202).length;
    t.equal(await client.xLen(historyKey(room)), confirmed, "all that was published was confirmed");
    await teacher.close();
  }
  t.comment(JSON.stringify(answers));
});

void t.test("a request that is never finished does not hold up the end", async (t) => {
  const { start } = await open(t, 0);
  const server = await start();
  const socket = connectTo(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, "connect");
  socket.write("POST /sessions/x/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n");
  socket.write("Content-Type: application/json\r\n\r\n{");
  const idle = connectTo(server.port, "127.0.0.1");
  idle.on("error", () => undefined);
  t.teardown(() => idle.destroy());
  await once(idle, "connect");
  t.match(await server.stop(), { code: 0, signal: null });
});

void t.test("SIGTERM ends a replica whose Redis hangs", async (t) => {
  const { redis, start } = await open(t, 0);
  const server = await start();
  const teacher = await join({
    url: server.url,
    session: randomUUID(),
    role: "teacher",
    kind: "plain",
  });
  redis.pause();
  t.teardown(() => {
    redis.resume();
  });
  // A renewal is under way by then, and a teacher is being admitted.
  const joining = join({ url: server.url, session: randomUUID(), role: "teacher", kind: "plain" });
  joining.catch(() => undefined);
  await delay(200);
  t.match(await server.stop(), { code: 0, signal: null });
  t.equal(await teacher.closed, 1012);
});

void t.test("a live replica survives that Redis comes back while it waits for it", async (t) => {
  const { client, start } = await open(t);
  const server = await start();
  for (let i = 0; i < 10; i++) {
    const before = await client.zRangeWithScores("inthon:nodes", 0, -1);
    // Both of its connections break, whatever is under way on them.
    await client.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    await eventually(async () => {
      const now = await client.zRangeWithScores("inthon:nodes", 0, -1);
      return now.length > 0 && JSON.stringify(now) !== JSON.stringify(before);
    });
  }
  t.match(await server.stop(), { code: 0, signal: null });
});

/** The status that a publisher is answered with, or `undefined` where its connection is refused or cut. */
async function publish(url: string, session: string): Promise<number | undefined> {
  try {
    const response = await fetch(`${url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ event: "feedback", feedback_type: "OK" }),
      // The port of a replica that has ended may be another test's by now, where nobody answers.
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    await response.text();
    return response.status;
  } catch {
    return undefined;
  }
}
