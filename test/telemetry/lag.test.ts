import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import t, { type Test } from "tap";
import { connect, RedisClock, type RedisCommands } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { scrape } from "./helpers/scrape.js";

const WAY_MS = 300;
const THREE_PARTS = 0x93;
const FOUR_PARTS = 0x94;
const DATE_BYTES = 9;

async function open(t: Test) {
  const cluster = await startCluster({ replicas: 1, env: { METRICS_PORT: "0" } });
  t.teardown(() => cluster.stop());
  const server = cluster.replica(0);
  const session = randomUUID();
  const client = await join({ url: server.url, session, role: "student", kind: "plain" });
  t.teardown(() => client.close());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const lag = async (part: "count" | "sum") =>
    (await scrape(server)).value(`publish_to_socket_seconds_${part}`, { event: "important" });
  const heard = (note: string) => client.inbox.next(({ object }) => object["note"] === note);
  return { cluster, session, redis, lag, heard };
}

type EvalOptions = Parameters<RedisCommands["eval"]>[1];

/** A client whose publisher's packets are changed on their way: with its date, or without it. */
function changing(
  redis: RedisCommands,
  change: (packet: Buffer) => Buffer,
  tailBytes: (bytes: number) => number,
): RedisCommands {
  const changed = (options: EvalOptions): EvalOptions => ({
    ...options,
    arguments: options.arguments.map((argument, i) => {
      if (i === 1) return String(tailBytes(Number(argument)));
      return Buffer.isBuffer(argument) && argument[0] === FOUR_PARTS ? change(argument) : argument;
    }),
  });
  return {
    eval: (script, options) => redis.eval(script, changed(options)),
    evalSha: (sha, options) => redis.evalSha(sha, changed(options)),
  };
}

void t.test("the lag is that from the call of emit to the last write", async (t) => {
  const { cluster, session, lag, heard } = await open(t);
  const proxy = await startTcpProxy(cluster.redis.port);
  t.teardown(() => proxy.stop());
  proxy.latencyMs = WAY_MS;
  const emitter = await connect(proxy.url);
  t.teardown(() => emitter.close());
  for (const note of ["a", "b"]) {
    const before = await lag("sum");
    await emitter.emit(session, "important", { note, capture_url: null });
    await heard(note);
    const seconds = (await lag("sum")) - before;
    // As exact as half of what Redis took to answer, which a busy machine makes longer on one way than on the other.
    t.ok(seconds > (WAY_MS - 100) / 1_000 && seconds < 5, `${note}: ${seconds} s`);
  }
  t.equal(await lag("count"), 2);
});

void t.test("events without a date arrive as ever, and nothing is observed", async (t) => {
  const { session, redis, lag, heard } = await open(t);
  // As emitters wrote their packets before they dated them.
  const older = changing(
    redis,
    (packet) => {
      const undated = Buffer.from(packet.subarray(0, -DATE_BYTES));
      undated[0] = THREE_PARTS;
      return undated;
    },
    (bytes) => bytes - DATE_BYTES,
  );
  const emitter = await connect(older);
  t.teardown(() => emitter.close());
  for (const note of ["a", "b"]) {
    await emitter.emit(session, "important", { note, capture_url: null });
    await heard(note);
  }
  const stock = new StockEmitter(redis);
  const event = { event: "important", note: "stock", capture_url: null, created_at: "" };
  stock.to(`session_${session}_student`).emit("important", event);
  await heard("stock");
  t.equal(await lag("count"), 0);
});

void t.test("a date that cannot be right does no harm", async (t) => {
  const { session, redis, lag, heard } = await open(t);
  const dates = [NaN, Infinity, Date.now() + 86_400_000];
  for (const [i, date] of dates.entries()) {
    const wrong = changing(
      redis,
      (packet) => {
        const copy = Buffer.from(packet);
        copy.writeDoubleBE(date, copy.length - 8);
        return copy;
      },
      (bytes) => bytes,
    );
    const emitter = await connect(wrong);
    t.teardown(() => emitter.close());
    await emitter.emit(session, "important", { note: String(i), capture_url: null });
    await heard(String(i));
  }
  t.equal(await lag("count"), 1, "nothing arrives before it was published");
  t.equal(await lag("sum"), 0);
});

/** A clock of Redis, and a way to have it compared: by an answer that took so long, and was off by so much. */
function clockAhead(aheadMs: number) {
  const clock = new RedisClock();
  const asked = (agoMs: number, offMs: number) => {
    const now = performance.now();
    const redisMs = now - agoMs / 2 + aheadMs + offMs;
    const seconds = Math.floor(redisMs / 1_000);
    clock.compare(now - agoMs, [String(seconds), String((redisMs - seconds * 1_000) * 1_000)]);
  };
  return { clock, asked };
}

void t.test("Redis's clock is known by the quickest answer, however far away it is", (t) => {
  const aheadMs = 86_400_000;
  const { clock, asked } = clockAhead(aheadMs);
  t.equal(clock.toMonotonic(aheadMs), undefined, "nothing is known yet");
  t.ok(Number.isNaN(clock.toRedis(0)));
  asked(400, 150);
  asked(2, 0);
  asked(800, -300);
  const now = performance.now();
  t.ok(Math.abs(clock.toRedis(now) - now - aheadMs) < 5);
  t.ok(Math.abs((clock.toMonotonic(clock.toRedis(now)) ?? NaN) - now) < 0.01);
  clock.compare(now, ["not", "a time"]);
  t.ok(Math.abs(clock.toRedis(now) - now - aheadMs) < 5);
  clock.compare(performance.now(), ["5", "0"], "another Redis");
  t.ok(Math.abs(clock.toRedis(performance.now()) - 5_000) < 100, "another one has another clock");
  clock.forget();
  t.equal(clock.toMonotonic(0), undefined);
  t.end();
});

void t.test("where Redis's clock has been set, what was known of it before counts no more", (t) => {
  const aheadMs = 86_400_000;
  for (const stepMs of [3_600_000, -3_600_000, 1_000]) {
    const { clock, asked } = clockAhead(aheadMs);
    asked(2, 0);
    asked(400, 150);
    const offMs = () => {
      const now = performance.now();
      return clock.toRedis(now) - now - aheadMs;
    };
    t.ok(Math.abs(offMs()) < 50, "a slower answer that fits says nothing new");
    asked(400, stepMs);
    t.ok(Math.abs(offMs() - stepMs) < 50, `set by ${String(stepMs)} ms`);
    asked(2, stepMs + 100);
    t.ok(Math.abs(offMs() - stepMs - 100) < 50, "the quickest of those that fit counts again");
  }
  t.end();
});
