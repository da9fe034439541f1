import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect, type Emitter, type EmitterError, type RedisCommands } from "@inthon/emitter";
import {
  historyKey,
  parseOffset,
  parseSessionId,
  roomChannel,
  roomName,
} from "@inthon/emitter/protocol";
import { startRedis, type RedisServer } from "../helpers/processes/redis-server.js";
import { adminOf, urlAs, type Admin } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { failureOf } from "./helpers/emitter-targets.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const EVENT = { note: "", capture_url: null };
/** Long enough for a retry or two. */
const BRIEF = { timeoutMs: 1_500 };
/** All that the publish scripts may have to do (`publish.lua`, `isAllowed`). */
const COMMANDS = [
  ...["publish", "xadd", "xdel", "pexpire", "append", "rename", "set", "zadd", "del"],
  ...["zcard", "zscore", "zremrangebyrank", "xinfo", "exists", "type", "get", "time"],
  ...["xrevrange", "getrange"],
];

/** What the emitter believes of the room: nothing, where it stands, or where it stood. */
const BELIEFS = ["", ", in a known room", ", in a room where others have published"];

function roomOf(session: string) {
  const id = parseSessionId(session);
  if (!id) throw new Error(`${session} is not a session id`);
  return roomName(id, "student");
}

async function open(t: Test, args: readonly string[] = []) {
  const redis = await startRedis({ args });
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  return { redis, admin };
}

/** Everything that the room of a session is told from now on, and what its history holds. */
async function watch(t: Test, redis: RedisServer, admin: Admin, session: string) {
  const room = roomOf(session);
  const subscriber = await adminOf(t, redis);
  let told = 0;
  await subscriber.subscribe(roomChannel(room), () => told++);
  return {
    told: async () => {
      // What was published before it is there.
      await subscriber.ping();
      return told;
    },
    remembered: () => admin.xLen(historyKey(room)),
  };
}

/** Ways to publish: each of them takes another way through the scripts. */
const WAYS: Readonly<Record<string, (emitter: Emitter, session: string) => Promise<unknown>>> = {
  "under a key of its own": (emitter, session) => emitter.emit(session, "important", EVENT, BRIEF),
  "under a given key": (emitter, session) =>
    emitter.emit(session, "important", EVENT, { ...BRIEF, idempotencyKey: randomUUID() }),
  "an array": (emitter, session) =>
    emitter.emitAll(
      session,
      Array.from({ length: 50 }, () => ({ event: "important" as const, ...EVENT })),
      BRIEF,
    ),
};

void t.test("what Redis's rules forbid is rejected at once, and nothing of it stays", async (t) => {
  const { redis, admin } = await open(t);
  const all = ["on", ">secret", "~*", "&*", "+@all"];
  await admin.sendCommand(["ACL", "SETUSER", "publisher", ...all]);
  const client = await adminOf(t, { url: urlAs(redis.url, "publisher", "secret") });
  const emitter = await connect(client);
  t.teardown(() => emitter.close());
  const others = await connect(redis.url);
  t.teardown(() => others.close());
  for (const rule of [...COMMANDS.map((name) => `-${name}`), "resetchannels", "-info"]) {
    for (const [way, publish] of Object.entries(WAYS)) {
      for (const belief of BELIEFS) {
        const session = randomUUID();
        const { told, remembered } = await watch(t, redis, admin, session);
        // From the third one on, the emitter guesses.
        for (let i = 0; belief !== "" && i < 3; i++)
          await emitter.emit(session, "important", EVENT);
        if (belief === BELIEFS[2]) await others.emit(session, "important", EVENT);
        const [toldBefore, before] = [await told(), await remembered()];
        await admin.sendCommand(["ACL", "SETUSER", "publisher", rule]);
        const begun = performance.now();
        const failure = await failureOf(publish(emitter, session)).catch(() => undefined);
        const tookMs = performance.now() - begun;
        const what = `${rule}, ${way}${belief}`;
        const [toldAfter, after] = [await told(), await remembered()];
        t.equal(after - before, toldAfter - toldBefore, `${what}: what is remembered was told`);
        if (failure) {
          t.match(failure, { code: "rejected", retryable: false }, what);
          t.ok(tookMs < BRIEF.timeoutMs, `${what}: at once`);
          t.equal(after, before, `${what}: nothing stays`);
          t.ok(failure.idempotencyKey, what);
        }
        // Some ways do not need the command.
        else t.ok(after > before, what);
        await admin.sendCommand(["ACL", "SETUSER", "publisher", ...all]);
        if (!failure) continue;
        const idempotencyKey = failure.idempotencyKey ?? "";
        const repeat = () => emitter.emit(session, "important", EVENT, { idempotencyKey });
        const results = [await repeat(), await repeat()];
        t.match(results, [{ duplicate: false }, { duplicate: true }], `${what}: then it works`);
        t.equal(parseOffset(results[0]?.offsets.student)?.n, before + 1, `${what}: without a hole`);
      }
    }
  }
});

void t.test("a full Redis takes no more, and says so", async (t) => {
  const limit = 8 * 1024 * 1024;
  const { redis, admin } = await open(t, [
    ...["--maxmemory", String(limit)],
    ...["--maxmemory-policy", "noeviction"],
  ]);
  const server = await startServer({ env: { REDIS_URL: redis.url } });
  t.teardown(() => server.stop());
  const emitter = await connect(redis.url);
  t.teardown(() => emitter.close());
  const important = { note: "x".repeat(10_000), capture_url: null };
  let failure: EmitterError | undefined;
  for (let i = 0; i < 100 && !failure; i++) {
    const session = randomUUID();
    const call = emitter.emitAll(
      session,
      Array.from({ length: 25 }, () => ({ event: "important" as const, ...important })),
      { timeoutMs: 2_000, ...(i % 2 === 0 ? { idempotencyKey: String(i) } : {}) },
    );
    failure = await call.then(
      () => undefined,
      (error: unknown) => error as EmitterError,
    );
  }
  t.match(failure, { code: "redis_full", retryable: true });
  for (let i = 0; i < 50; i++) {
    const call = emitter.emit(randomUUID(), "important", important, { timeoutMs: 50 });
    await call.catch(() => undefined);
  }
  const info = await admin.info("memory");
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1]);
  t.ok(used < 1.25 * limit, `${String(used)} bytes used`);

  // A little is left where nothing longer fitted, and more whenever a connection gives back its buffer.
  await admin.configSet("maxmemory", String(limit / 2));
  const response = await fetch(`${server.url}/sessions/${randomUUID()}/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ event: "important", ...important }),
  });
  t.equal(response.status, 503);
  t.ok(response.headers.get("retry-after"));
  t.match(await response.json(), { code: "redis_full" });
  const overHttp = await connect(server.url);
  const refused = await failureOf(overHttp.emit(randomUUID(), "important", important));
  t.match(refused, { code: "redis_full", retryable: true });

  await admin.configSet("maxmemory", "0");
  t.match(await emitter.emit(randomUUID(), "important", important), { duplicate: false });
});

void t.test("a Redis that takes no writes says why", async (t) => {
  const { redis, admin } = await open(t);
  const emitter = await connect(redis.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const { told, remembered } = await watch(t, redis, admin, session);
  const emit = () => emitter.emit(session, "important", EVENT, BRIEF);
  for (let i = 0; i < 3; i++) await emit();

  await admin.configSet("min-replicas-to-write", "1");
  t.match(await failureOf(emit()), { code: "redis_lacks_replicas", retryable: true });
  await admin.configSet("min-replicas-to-write", "0");
  await admin.sendCommand(["REPLICAOF", "127.0.0.1", "1"]);
  t.match(await failureOf(emit()), { code: "redis_read_only", retryable: true });
  t.strictSame([await told(), await remembered()], [3, 3]);
  await admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
  // It has left what was a replica for whoever has its name now, and is on its way back.
  const { offsets } = await emitter.emit(session, "important", EVENT);
  t.equal(parseOffset(offsets.student)?.n, 4);
});

void t.test("a key that a caller gives is never that of an array's later event", async (t) => {
  const { redis } = await open(t);
  const server = await startServer();
  t.teardown(() => server.stop());
  for (const target of [redis.url, server.url]) {
    const emitter = await connect(target);
    t.teardown(() => emitter.close());
    const session = randomUUID();
    const event = { event: "important", ...EVENT } as const;
    const emit = (idempotencyKey: string) =>
      emitter.emit(session, "important", EVENT, { idempotencyKey });
    const array = await emitter.emitAll(session, [event, event], { idempotencyKey: "q" });
    t.match(await emit("q/1"), { duplicate: false }, target);
    t.match(await emit("q/0"), { duplicate: false }, target);
    t.match(await emit("q"), { ...array[0], duplicate: true }, target);
    const again = await emitter.emitAll(session, [event, event], { idempotencyKey: "q" });
    t.strictSame(
      again,
      array.map(({ offsets }) => ({ offsets, duplicate: true })),
      target,
    );
  }
});

void t.test("a client that puts a prefix before keys is refused", async (t) => {
  const { redis, admin } = await open(t);
  const client = await adminOf(t, redis);
  type Options = Parameters<RedisCommands["eval"]>[1];
  const prefixed = ({ keys, ...rest }: Options) => ({
    ...rest,
    keys: keys.map((key) => `app:${key}`),
  });
  const emitter = await connect({
    eval: (script: string, options: Options) => client.eval(script, prefixed(options)),
    evalSha: (sha1: string, options: Options) => client.evalSha(sha1, prefixed(options)),
  });
  const failure = await failureOf(emitter.emit(randomUUID(), "important", EVENT));
  t.match(failure, { code: "invalid_option", retryable: false });
  t.strictSame(await admin.keys("*"), []);
});

void t.test("over HTTP the same is said of Redis as to an emitter of its own", async (t) => {
  const { redis, admin } = await open(t);
  const all = ["on", ">secret", "~*", "&*", "+@all"];
  await admin.sendCommand(["ACL", "SETUSER", "server", ...all]);
  const url = urlAs(redis.url, "server", "secret");
  const server = await startServer({ env: { REDIS_URL: url } });
  t.teardown(() => server.stop());
  const overHttp = await connect(server.url);
  const emit = () => failureOf(overHttp.emit(randomUUID(), "important", EVENT));
  const reads = async () => {
    const session = `${server.url}/sessions/${randomUUID()}`;
    const answer = await fetch(`${session}/events?role=student`);
    return ((await answer.json()) as { code?: string }).code;
  };

  await admin.sendCommand(["ACL", "SETUSER", "server", "-publish", "-xadd", "-exists"]);
  t.match(await emit(), { code: "rejected", retryable: false });
  t.equal(await reads(), "redis_denies_access");
  await admin.sendCommand(["ACL", "SETUSER", "server", ...all]);

  await admin.configSet("maxmemory", "1");
  t.match(await emit(), { code: "redis_full", retryable: true });
  t.equal(await reads(), undefined, "to look needs no memory");
  await admin.configSet("maxmemory", "0");

  await admin.sendCommand(["REPLICAOF", "127.0.0.1", "1"]);
  t.match(await emit(), { code: "redis_read_only", retryable: true });
  await admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
  t.match(await overHttp.emit(randomUUID(), "important", EVENT), { duplicate: false });
});

void t.test("a wrong password is told at once", async (t) => {
  const redis = await startRedis({ args: ["--requirepass", "right"] });
  t.teardown(() => redis.stop());
  const begun = performance.now();
  for (const credentials of ["", ":wrong@"]) {
    const target = redis.url.replace("redis://", `redis://${credentials}`);
    const failure = await failureOf(connect(target, { connectTimeoutMs: 60_000 }));
    t.match(failure, { code: "rejected", retryable: false }, credentials);
  }
  t.ok(performance.now() - begun < 30_000);
  const emitter = await connect(redis.url.replace("redis://", "redis://:right@"));
  t.teardown(() => emitter.close());
  t.match(await emitter.emit(randomUUID(), "important", EVENT), { duplicate: false });
});

void t.test(
  "a room of which somebody else uses a key takes nothing, and loses no number",
  async (t) => {
    const { redis, admin } = await open(t);
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());
    for (const name of ["new", "older", "once", "epochs", "announced"]) {
      const session = randomUUID();
      const { told, remembered } = await watch(t, redis, admin, session);
      const key = `inthon:${name}:{${roomChannel(roomOf(session))}}`;
      const emit = (options = {}) => emitter.emit(session, "important", EVENT, options);
      for (let i = 0; i < 3; i++) await emit();
      await admin.sendCommand(["RENAME", key, `${key}:aside`]).catch(() => undefined);
      await admin.rPush(key, "somebody else's");
      const calls = [emit(), emit({ idempotencyKey: "given" })];
      const failures = await Promise.all(
        calls.map((call) => failureOf(call).catch(() => undefined)),
      );
      const published = failures.filter((failure) => failure === undefined).length;
      t.strictSame([await told(), await remembered()], [3 + published, 3 + published], name);
      await admin.del(key);
      await admin.sendCommand(["RENAME", `${key}:aside`, key]).catch(() => undefined);
      t.equal(parseOffset((await emit()).offsets.student)?.n, 4 + published, `${name}: no hole`);
    }
  },
);
