import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import {
  connect,
  Emitter,
  MAX_IDEMPOTENCY_KEYS,
  oneRedis,
  RedisPublisher,
  type PublishResult,
  type RedisCommands,
} from "@inthon/emitter";
import {
  historyKey,
  idempotencyKeysKey,
  newKeysKey,
  olderKeysKey,
  parseOffset,
  parseSessionId,
  roomName,
} from "@inthon/emitter/protocol";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { failureOf } from "./helpers/emitter-targets.js";
import { FlakyCommands } from "./helpers/flaky-commands.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { eventually } from "../helpers/eventually.js";
import { startServer } from "../helpers/processes/server-process.js";

const LIMITS = { historyLimit: 1_000, historyMaxBytes: 4_194_304, historyTtlMs: 60_000 };
/** As promised in DESIGN.md's "Publish", not as built. */
const MAX_CALL_EVENTS = 100;
const MAX_CALL_BYTES = 512 * 1_024;
/** The longest line of one key, behind a mark. A log holds 10,000, and may be longer by the line that was one too many. */
const MAX_LINE_BYTES = 104;
const MAX_LOG_BYTES = 10_000 * MAX_LINE_BYTES;
const LONGEST_LINE_BYTES = (MAX_CALL_EVENTS + 1) * MAX_LINE_BYTES;
const LIKES = { event: "question_like_update", question_id: 1, like_count: 1 } as const;
const FEEDBACK = { event: "feedback", feedback_type: "OK" } as const;

async function start(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = createClient({ url: redis.url });
  client.on("error", () => undefined);
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const commands = new FlakyCommands(client);
  const emitter = emitterOn(commands);
  t.teardown(() => emitter.close());
  return { redis, client, commands, emitter };
}

function emitterOn(commands: RedisCommands): Emitter {
  return new Emitter(new RedisPublisher(oneRedis({ commands }), LIMITS, () => Promise.resolve()));
}

function studentRoom(session: string) {
  const id = parseSessionId(session);
  if (!id) throw new Error(`${session} is not a session id`);
  return roomName(id, "student");
}

const scripts = (counts: ReadonlyMap<string, number>) =>
  (counts.get("eval") ?? 0) + (counts.get("evalsha") ?? 0);
const places = (results: readonly PublishResult[]) =>
  results.map(({ offsets }) => parseOffset(offsets.student)?.n);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

void t.test("events of one turn cost one script call for each room", async (t) => {
  const { redis, client, emitter } = await start(t);
  // The server's lease is renewed by a script as well: not while scripts are counted.
  const server = await startServer({
    env: { REDIS_URL: redis.url, LEASE_MS: "300000", REDIS_LINK_TIMEOUT_MS: "60000" },
  });
  t.teardown(() => server.stop());
  await eventually(async () => (await fetch(`${server.url}/readyz`)).ok);
  const countScripts = async (publish: () => Promise<unknown>) => {
    const before = await commandCounts(client);
    await publish();
    return scripts(commandsBetween(before, await commandCounts(client)));
  };
  const sessions = upTo(10).map(() => randomUUID());
  const like = (session: string) => emitter.emit(session, "question_like_update", LIKES);
  const inParallel = async () => {
    // Twice: after the first events Redis is told the form of the script that guesses, once.
    for (const session of [...sessions, ...sessions]) await like(session);
    const calls = await countScripts(async () => {
      const results = await Promise.all(upTo(5).flatMap(() => sessions.map(like)));
      t.strictSame(new Set(places(results)), new Set([3, 4, 5, 6, 7]));
    });
    t.equal(calls, 20, "two rooms of ten sessions");
  };
  // Redis learns the quick form in the background, once.
  await inParallel();

  // To a room of which the emitter knows nothing: each key is looked for, so a call takes half as many.
  const events = upTo(MAX_CALL_EVENTS / 4).flatMap(() => [LIKES, FEEDBACK]);
  for (const options of [{}, { idempotencyKey: "lecture-1" }]) {
    const session = randomUUID();
    t.equal(await countScripts(() => emitter.emitAll(session, events, options)), 2, "an array");
    t.equal(await countScripts(() => emitter.emitAll(session, events, options)), 2, "once more");
  }
  const calls = await countScripts(async () => {
    const response = await fetch(`${server.url}/sessions/${randomUUID()}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(events),
    });
    t.equal(response.status, 202);
  });
  t.equal(calls, 2, "an array over HTTP");
});

void t.test(
  "a Redis that has started again is brought the scripts, and refuses no call",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());
    // One script, then the other.
    const publish = async () => {
      await emitter.emit("lecture-1", "feedback", { feedback_type: "OK" });
      await emitter.emit("lecture-1", "feedback", { feedback_type: "OK" });
    };
    await publish();
    redis.kill("SIGKILL");
    await redis.restart();
    await publish();
    const admin = await createClient({ url: redis.url }).connect();
    t.teardown(() => {
      admin.destroy();
    });
    t.equal((await commandCounts(admin)).get("eval"), 2);
    // Who is refused waits for one more way to Redis and back.
    t.notMatch(await admin.info("errorstats"), "NOSCRIPT");
  },
);

void t.test("a lone event goes out in the turn in which it is emitted", async (t) => {
  const { commands, emitter } = await start(t);
  const call = emitter.emit(randomUUID(), "important", { note: "", capture_url: null });
  t.equal(commands.calls.length, 0);
  await new Promise(setImmediate);
  t.equal(commands.calls.length, 1);
  await call;
});

void t.test("an array of any length is one round trip, in calls that are bounded", async (t) => {
  const { commands, emitter } = await start(t);
  const session = randomUUID();
  await emitter.emit(session, "important", { note: "", capture_url: null });
  const important = (note: string) => ({ event: "important", note, capture_url: null }) as const;
  const arrays = [
    upTo(1_000).map((i) => important(String(i))),
    upTo(40).map(() => important("가".repeat(20_000))),
  ];
  for (const array of arrays) {
    for (const options of [{}, { idempotencyKey: "lecture-2" }]) {
      const target = randomUUID();
      await emitter.emit(target, "important", { note: "", capture_url: null });
      commands.log.length = 0;
      const results = await emitter.emitAll(target, array, options);
      t.strictSame(places(results), upTo(array.length + 1).slice(1));
      const answers = commands.log.findIndex(({ what }) => what === "answer");
      const { calls } = commands;
      t.equal(answers, calls.length, "nothing waits for an answer");
      for (const { args } of calls) {
        const events = args.filter((argument) => argument instanceof Buffer);
        t.ok(events.length <= MAX_CALL_EVENTS, `${String(events.length)} events`);
        const bytes = args.reduce((sum, argument) => sum + Buffer.byteLength(argument), 0);
        t.ok(bytes <= MAX_CALL_BYTES, `${String(bytes)} bytes`);
      }
    }
  }
});

void t.test("a room that Redis refuses fails alone", async (t) => {
  const { client, emitter } = await start(t);
  const [good, bad] = [randomUUID(), randomUUID()];
  await client.set(historyKey(studentRoom(bad)), "not a stream");
  const patience = { timeoutMs: 300 };
  const emit = (session: string) =>
    emitter.emit(session, "important", { note: "", capture_url: null }, patience);
  const inVain = failureOf(emit(bad));
  const results = await Promise.all([emit(good), emit(good)]);
  t.strictSame(places(results), [1, 2]);
  const { code, retryable, idempotencyKey } = await inVain;
  t.strictSame({ code, retryable }, { code: "rejected", retryable: false });

  await client.del(historyKey(studentRoom(bad)));
  const payload = { note: "", capture_url: null };
  const repeat = () =>
    emitter.emit(bad, "important", payload, idempotencyKey ? { idempotencyKey } : {});
  t.match([await repeat(), await repeat()], [{ duplicate: false }, { duplicate: true }]);
});

void t.test(
  "a connection that breaks under a burst loses nothing and doubles nothing",
  async (t) => {
    const { redis, client } = await start(t);
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());
    const sessions = upTo(5).map(() => randomUUID());
    const own = await client.clientId();
    const calls: Promise<PublishResult>[] = [];
    for (let turn = 0; turn < 60; turn++) {
      for (const session of sessions) {
        const note = String(calls.length);
        calls.push(emitter.emit(session, "important", { note, capture_url: null }));
        calls.push(emitter.emit(session, "hard_alert", { capture_url: `/${note}` }));
      }
      if (turn % 20 === 10) {
        // On its way while the next turns are.
        void client
          .clientList()
          .then((all) =>
            Promise.all(
              all
                .filter(({ id }) => id !== own)
                .map(({ id }) => client.sendCommand(["CLIENT", "KILL", "ID", String(id)])),
            ),
          );
      }
      await new Promise(setImmediate);
    }
    const results = await Promise.all(calls);
    const perSession = results.length / sessions.length;
    for (const [i, session] of sessions.entries()) {
      const mine = results.filter((_, call) => Math.floor(call / 2) % sessions.length === i);
      t.strictSame(
        places(mine).sort((a = 0, b = 0) => a - b),
        upTo(perSession),
      );
      t.equal(await client.xLen(historyKey(studentRoom(session))), perSession);
    }
  },
);

void t.test("the newest 10,000 keys are remembered, and not many more", async (t) => {
  const { client, emitter } = await start(t);
  const payload = { note: "", capture_url: null };
  const publish = async (session: string, count: number, key: (i: number) => object) => {
    for (let from = 0; from < count; from += 1_000) {
      const batch = upTo(1_000).map((i) => key(from + i - 1));
      await Promise.all(
        batch.map((options) => emitter.emit(session, "important", payload, options)),
      );
    }
  };
  const isKnown = async (session: string, idempotencyKey: string) =>
    (await emitter.emit(session, "important", payload, { idempotencyKey })).duplicate;

  const given = randomUUID();
  const givenCount = MAX_IDEMPOTENCY_KEYS + 3_000;
  await publish(given, givenCount, (i) => ({ idempotencyKey: `question-${String(i)}` }));
  const keys = await client.zCard(idempotencyKeysKey(studentRoom(given)));
  t.ok(keys <= MAX_IDEMPOTENCY_KEYS * 1.02, `${String(keys)} keys`);
  const oldest = givenCount - MAX_IDEMPOTENCY_KEYS;
  t.equal(await isKnown(given, `question-${String(oldest)}`), true);
  t.equal(await isKnown(given, `question-${String(givenCount - 1)}`), true);
  t.equal(await isKnown(given, "question-0"), false, "and the oldest are forgotten");

  // One event in each call takes most of the log.
  const madeUp = randomUUID();
  const logs = [olderKeysKey(studentRoom(madeUp)), newKeysKey(studentRoom(madeUp))];
  const checkLogs = async () => {
    for (const log of logs) {
      t.ok((await client.strLen(log)) <= MAX_LOG_BYTES + LONGEST_LINE_BYTES, `${log} is short`);
    }
  };
  // Of one emitter, those that come meanwhile share the next call.
  const emitters = upTo(20).map(() => emitterOn(client));
  for (let round = 0; round < 1_300; round++) {
    await Promise.all(emitters.map((one) => one.emit(madeUp, "important", payload)));
    if (round % 50 === 0) await checkLogs();
  }
  await Promise.all(emitters.map((one) => one.close()));
  const texts = await client.mGet(logs);
  t.ok(
    texts.every((text) => text !== null),
    "one log was put aside, and another one begun",
  );
  const lines = texts.join("").trimEnd().split("\n");
  const known = lines.map((line) => line.split(" ")[0] ?? "");
  t.ok(known.length >= MAX_IDEMPOTENCY_KEYS, `${String(known.length)} keys`);
  const [oldestOfAll = "", tenThousandth = ""] = [known[0], known.at(-MAX_IDEMPOTENCY_KEYS)];
  t.equal(await isKnown(madeUp, tenThousandth), true);
  t.equal(await isKnown(madeUp, known.at(-1) ?? ""), true);
  t.equal(await isKnown(madeUp, oldestOfAll), true);
  t.equal(await isKnown(madeUp, "~abcdefghijklmnop.0"), false);

  await publish(madeUp, (2 * MAX_LOG_BYTES) / 20, () => ({}));
  await checkLogs();
  // -1 is for ever; one that has just been put aside is not there.
  for (const log of logs) t.not(await client.pTTL(log), -1, `${log} expires`);
  t.equal(await isKnown(madeUp, oldestOfAll), false, "and the oldest are forgotten");
});

void t.test("all keys of a room expire, also after calls that renew nothing", async (t) => {
  const { client, emitter } = await start(t);
  const session = randomUUID();
  const payload = { note: "", capture_url: null };
  const options = { idempotencyKey: "k" };
  for (const forget of [false, true]) {
    // The emitter believes that it knows the room.
    if (forget) await client.flushAll();
    await emitter.emit(session, "important", payload, forget ? {} : options);
    for (let i = 0; i < 3; i++) await emitter.emit(session, "important", payload);
    const keys = await client.keys("*");
    t.equal(keys.length, forget ? 3 : 4);
    for (const key of keys) {
      const ttl = await client.pTTL(key);
      t.ok(ttl > 0 && ttl <= LIMITS.historyTtlMs, `${key} expires in ${String(ttl)} ms`);
    }
  }
});
