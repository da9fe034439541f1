import { randomUUID } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster, createSentinel, RESP_TYPES } from "redis";
import t, { type Test } from "tap";
import { connect, type RedisCommands } from "@inthon/emitter";
import { historyKey, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { freePort } from "../helpers/processes/ports.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";

void t.test("an emitter refuses database numbers: Pub/Sub has none", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const url = redis.url.replace("//", "//:s3cret@");
  const refusal = { name: "EmitterError", code: "invalid_option", message: /database number/ };
  for (const path of ["/1", "/15", "/0x1", "/1e0"]) {
    const failure = await connect(url + path).catch((error: unknown) => error);
    t.match(failure, refusal, path);
    t.notMatch(String(failure), /s3cret/);
  }
  for (const options of [{ url: `${url}/1` }, { url, database: 2 }]) {
    await t.rejects(connect(createClient(options)), refusal, "a client that was passed");
  }
  await t.rejects(connect(`${url}/name`), {
    code: "invalid_option",
    message: /must end behind its host/,
  });

  for (const path of ["", "/", "/0"]) {
    const emitter = await connect(redis.url + path);
    t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.student, `"${path}" is fine`);
    await emitter.close();
  }
  const client = createClient({ url: redis.url, database: 0 });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const emitter = await connect(client);
  t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.teacher, "so is a client");
  await emitter.close();

  await client.select(1);
  await t.rejects(connect(client), refusal, "one that has selected another one since");
  const pool = createClientPool({ url: `${redis.url}/1` });
  await pool.connect();
  t.teardown(() => {
    pool.destroy();
  });
  await t.rejects(connect(pool), refusal, "a pool");
});

/** `connect` for callers whose types nobody has checked, as in JavaScript. */
const connectTo = (target: unknown) => connect(target as RedisCommands);

async function closedClient(url: string) {
  const client = createClient({ url });
  await client.connect();
  await client.close();
  return client;
}

/** As a bundler writes its class. */
function minified(legacy: object): object {
  Object.defineProperty(legacy.constructor, "name", { value: "t" });
  return legacy;
}

const unreadable = new Proxy(
  {},
  {
    has: () => {
      throw new Error("not to be read");
    },
  },
);

/** A client of ioredis, which is ended with the test. */
function ioredisOf(t: Test, url: string, options = {}): Redis {
  const client = new Redis(url, options);
  client.on("error", () => undefined);
  t.teardown(() => {
    client.disconnect();
  });
  return client;
}

void t.test("a client that cannot work is told at once, with what to do", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { url, port } = redis;
  const one = { host: "127.0.0.1", port };
  const lazy = { lazyConnect: true };
  const open = createClient({ url });
  await open.connect();
  t.teardown(() => {
    open.destroy();
  });
  const listening = ioredisOf(t, url, { protocol: 2 });
  await listening.subscribe("a-channel");
  const subscriber = createClient({ url, RESP: 2 });
  await subscriber.connect();
  t.teardown(() => {
    subscriber.destroy();
  });
  await subscriber.subscribe("a-channel", () => undefined);
  const selecting = ioredisOf(t, url);
  await selecting.select(3);
  const ended = ioredisOf(t, url);
  await ended.quit();
  const cluster = new Cluster([one], lazy);
  t.teardown(() => {
    cluster.disconnect();
  });
  const wrong: Readonly<Record<string, readonly [target: unknown, toDo: RegExp]>> = {
    undefined: [undefined, /is a variable not set/],
    null: [null, /give a URL, or a connected client/],
    "a number": [6379, /give a URL, or a connected client/],
    "{}": [{}, /give a URL, or a connected client/],
    "a pool of another package": [{ acquire: () => open }, /give a URL, or a connected client/],
    "a promise": [
      createClient({ url })
        .connect()
        .then(async (it) => (await it.close(), it)),
      /await it/,
    ],
    "a client that is not connected": [createClient({ url }), /await its connect\(\)/],
    "a client that has been closed": [await closedClient(url), /has been closed/],
    "a pool that is not connected": [createClientPool({ url }), /await its connect\(\)/],
    "a cluster client that is not connected": [
      createCluster({ rootNodes: [{ url }] }),
      /await its connect\(\)/,
    ],
    "a Sentinel client that is not connected": [
      createSentinel({ name: "main", sentinelRootNodes: [one] }),
      /await its connect\(\)/,
    ],
    "a client of callbacks": [open.legacy(), /give the client itself/],
    "one whose names were made short": [minified(open.legacy()), /give the client itself/],
    "a transaction that has begun": [open.multi(), /what multi\(\) has made/],
    "a module": [await import("redis"), /is no client that publishes/],
    "what has no prototype": [Object.create(null), /is no client that publishes/],
    "what has no options": [
      { evalsha: () => undefined, status: "ready", options: null },
      /is no client that publishes/,
    ],
    "what cannot be read": [unreadable, /is no client that publishes/],
    "a client that listens": [subscriber, /a subscriber: give one of its own/],
    "a client of redis 4 in legacy mode": [
      { eval: () => undefined, evalSha: () => undefined, options: { legacyMode: true } },
      /its property v4/,
    ],
    "a client of redis 3": [
      { send_command: () => undefined, evalsha: () => undefined },
      /use redis 4 or newer/,
    ],
    "ioredis's cluster client": [cluster, /redis\+cluster:\/\//],
    "an ioredis client of another database": [
      ioredisOf(t, url, { ...lazy, db: 1 }),
      /database number/,
    ],
    "one that has selected another one since": [selecting, /database number/],
    "an ioredis client with a prefix": [
      ioredisOf(t, url, { ...lazy, keyPrefix: "a:" }),
      /without keyPrefix/,
    ],
    "an ioredis client that listens": [listening, /a subscriber: give one of its own/],
    "an ioredis client that has been closed": [ended, /close it after the emitter/],
  };
  for (const [what, [target, toDo]] of Object.entries(wrong)) {
    const begun = performance.now();
    await t.rejects(connectTo(target), { code: "invalid_option", message: toDo }, what);
    t.ok(performance.now() - begun < 1_000, `${what}: at once`);
  }
});

void t.test(
  "whether a given client reaches Redis, and HTTP a server, is told by the first event",
  async (t) => {
    const dead = `127.0.0.1:${String(await freePort())}`;
    for (const target of [ioredisOf(t, `redis://${dead}`), `http://${dead}`] as const) {
      const emitter = await connect(target);
      const call = emitter.emit("lecture-1", "session_ended", {}, { timeoutMs: 500 });
      await t.rejects(call, { code: "unavailable", retryable: true });
      await emitter.close();
    }
  },
);

void t.test(
  "a client of ioredis publishes, each event once, also where it repeats calls by itself",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const admin = await adminOf(t, redis);
    const client = ioredisOf(t, redis.url, { lazyConnect: true });
    const emitter = await connect(client);
    const sessionId = parseSessionId(randomUUID());
    if (!sessionId) throw new Error("a session id");
    const notes = Array.from({ length: 300 }, (_, i) => String(i));
    const told: string[] = [];
    await emitter.emit(sessionId, "important", { note: "first", capture_url: null });
    const results = [];
    for (const [i, note] of notes.entries()) {
      const call = emitter.emit(sessionId, "important", { note, capture_url: null });
      results.push(call);
      // Breaks its connection while calls are on the way.
      if (i % 50 === 25)
        await admin.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    for (const { offsets } of await Promise.all(results)) told.push(offsets.student ?? "");
    t.equal(new Set(told).size, notes.length, "each has an offset of its own");
    const entries =
      (await admin.xRange(historyKey(roomName(sessionId, "student")), "-", "+")) ?? [];
    const remembered = entries.map(
      ({ message }) => /"note":"(\w*)"/.exec(JSON.stringify(message).replaceAll("\\", ""))?.[1],
    );
    t.strictSame(remembered, ["first", ...notes], "each once, in order");
    await emitter.close();
    t.equal(await client.ping(), "PONG", "it stays its owner's");
  },
);

void t.test("whatever types a client gives answers in, what is told is right", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { url } = redis;
  const typeMapping = {
    [RESP_TYPES.NUMBER]: String,
    [RESP_TYPES.BLOB_STRING]: Buffer,
    [RESP_TYPES.SIMPLE_STRING]: Buffer,
  };
  const mapped = createClient({ url, commandOptions: { typeMapping } });
  const plain = createClient({ url });
  const pool = createClientPool({ url, commandOptions: { typeMapping } });
  for (const client of [mapped, plain, pool]) {
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
  }
  const targets = {
    "by its options": mapped,
    "by withTypeMapping": plain.withTypeMapping(typeMapping),
    "a pool": pool,
    "numbers of ioredis as texts": ioredisOf(t, url, { stringNumbers: true }),
  };
  for (const [what, target] of Object.entries(targets)) {
    const emitter = await connectTo(target);
    const session = randomUUID();
    const places: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      const { offsets } = await emitter.emit(
        session,
        "important",
        { note: "a", capture_url: null },
        i < 2 ? { idempotencyKey: "the-same" } : { timeoutMs: 2_000 },
      );
      places.push(offsets.student?.split("-")[1]);
    }
    t.strictSame(places, ["1", "1", "2", "3"], what);
    await emitter.close();
  }
  t.ok((await mapped.get("no-such-key")) === null, "it stays its owner's");
});
