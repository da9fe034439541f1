import { setImmediate as turn } from "node:timers/promises";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { createClient, ErrorReply } from "redis";
import {
  DEFAULT_HISTORY_LIMITS,
  Emitter,
  RedisClock,
  RedisPublisher,
  UndoneError,
  type RoomRedis,
} from "@inthon/emitter";
import { historyKey, roomName, type SessionId } from "@inthon/emitter/protocol";
import { startRedis } from "../../helpers/processes/redis-server.js";

/** Arguments of `publish.lua` before its events, and of each of these. */
const HEAD = 6;
const EACH = 4;
/** The same of `publish-guessed.lua`, and its keys. */
const GUESSED_HEAD = 5;
const GUESSED_EACH = 2;
const GUESSED_KEYS = 3;

interface Call {
  readonly notes: readonly string[];
  readonly answer: () => void;
  readonly refuse: (error: Error) => void;
}

/** A Redis that answers when it is told to. */
function slowRedis() {
  const calls: Call[] = [];
  let n = 0;
  const run = (_: string, options: { keys: string[]; arguments: (string | Buffer)[] }) =>
    new Promise<unknown>((resolve, refuse) => {
      const isGuess = options.keys.length === GUESSED_KEYS;
      const args = options.arguments.slice(isGuess ? GUESSED_HEAD : HEAD);
      const jsons = args.filter((_, i) => i % (isGuess ? GUESSED_EACH : EACH) === 1).map(String);
      const notes = jsons.map((json) => (JSON.parse(json) as { note: string }).note);
      const answer = () => {
        n += isGuess ? notes.length : 0;
        if (isGuess) {
          resolve(1);
          return;
        }
        const places = notes.flatMap(() => [`1-${String(++n)}`, 0]);
        resolve(["incarnation", `1-${String(n)}`, "0", "0", ...places]);
      };
      calls.push({ notes, answer, refuse });
    });
  const redis: RoomRedis = {
    commands: { eval: run, evalSha: run },
    clock: new RedisClock(),
    replicas: undefined,
  };
  return { redis, calls };
}

void t.test(
  "what went to a room's old place, and was not done there, comes before what follows",
  async (t) => {
    const [before, after] = [slowRedis(), slowRedis()];
    let place: RoomRedis | undefined = before.redis;
    const redises = { verb: "SPUBLISH", waitsForReplicas: false, of: () => () => place } as const;
    const nothing = () => Promise.resolve();
    const emitter = new Emitter(new RedisPublisher(redises, DEFAULT_HISTORY_LIMITS, nothing));
    const say = (note: string) =>
      emitter.emit("lecture-1", "important", { note, capture_url: null });

    const settle = async () => {
      await turn();
      await turn();
    };
    const zeroth = say("zeroth");
    await settle();
    before.calls[0]?.answer();
    await zeroth;
    const first = say("first");
    await settle();
    const second = say("second");
    await settle();
    t.equal(before.calls.length, 2, "the next one is not sent before this one is answered");
    place = after.redis;
    const third = say("third");
    await settle();
    t.strictSame(after.calls, [], "nobody knows yet whether the first one was done");
    before.calls[1]?.refuse(new UndoneError("it has moved"));
    await settle();
    t.strictSame(
      after.calls.map(({ notes }) => notes),
      [["first", "second", "third"]],
    );
    after.calls[0]?.answer();
    t.match(await first, { offsets: { student: "1-1" } });
    t.match(await second, { offsets: { student: "1-2" } });
    t.match(await third, { offsets: { student: "1-3" } });

    place = undefined;
    const last = emitter.emit(
      "lecture-1",
      "important",
      { note: "last", capture_url: null },
      { timeoutMs: 200 },
    );
    await t.rejects(last, { code: "unavailable", message: /no master/ });
    await emitter.close();
  },
);

void t.test(
  "what follows a call that was refused does not overtake it in the same place",
  async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const client = createClient({ url: server.url });
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    let refused = -1;
    let calls = 0;
    const through =
      (verb: "eval" | "evalSha") =>
      async (script: string, options: Parameters<typeof client.eval>[1]): Promise<unknown> => {
        if (calls++ !== refused) return client[verb](script, options);
        // Told when those behind it are done, as by a slot that was to move, and stays.
        await turn();
        await client.ping();
        throw new UndoneError("on its way");
      };
    const redis: RoomRedis = {
      commands: { eval: through("eval"), evalSha: through("evalSha") },
      clock: new RedisClock(),
      replicas: undefined,
    };
    const redises = { verb: "SPUBLISH", waitsForReplicas: false, of: () => () => redis } as const;
    const nothing = () => Promise.resolve();
    const emitter = new Emitter(new RedisPublisher(redises, DEFAULT_HISTORY_LIMITS, nothing));
    t.teardown(() => emitter.close());
    const say = (note: string) =>
      emitter.emit("lecture-1", "important", { note, capture_url: null });
    await say("zeroth");
    await say("guessed");
    refused = calls;
    const notes = ["first", "second", "third"];
    const saying: Promise<unknown>[] = [];
    for (const note of notes) {
      saying.push(say(note));
      // Each goes out by itself.
      await turn();
    }
    await Promise.all(saying);
    t.ok(calls > refused + 1, "one was refused, and the others waited");
    const entries = await client.xRange(
      historyKey(roomName("lecture-1" as SessionId, "student")),
      "-",
      "+",
    );
    const kept = (entries ?? []).map(
      ({ message }) => (JSON.parse(message["event"] ?? "{}") as { note: string }).note,
    );
    t.strictSame(kept, ["zeroth", "guessed", ...notes]);
  },
);

/** A Redis that answers some calls in its own way; each other one is carried out. */
async function refusingRedis(t: Test, refusalOf: (call: number) => Error | undefined) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = createClient({ url: server.url });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  let calls = 0;
  const through =
    (verb: "eval" | "evalSha") =>
    async (script: string, options: Parameters<typeof client.eval>[1]): Promise<unknown> => {
      const refusal = refusalOf(calls++);
      if (!refusal) return client[verb](script, options);
      await turn();
      throw refusal;
    };
  const redis: RoomRedis = {
    commands: { eval: through("eval"), evalSha: through("evalSha") },
    clock: new RedisClock(),
    replicas: undefined,
  };
  const redises = { verb: "SPUBLISH", waitsForReplicas: false, of: () => () => redis } as const;
  const emitter = new Emitter(
    new RedisPublisher(redises, DEFAULT_HISTORY_LIMITS, () => Promise.resolve()),
  );
  t.teardown(() => emitter.close());
  return {
    say: (note: string, timeoutMs = 60_000) =>
      emitter.emit("lecture-1", "important", { note, capture_url: null }, { timeoutMs }),
    calls: () => calls,
    kept: async () => {
      const entries = await client.xRange(
        historyKey(roomName("lecture-1" as SessionId, "student")),
        "-",
        "+",
      );
      return (entries ?? []).map(
        ({ message }) => (JSON.parse(message["event"] ?? "{}") as { note: string }).note,
      );
    },
  };
}

void t.test("what is repeated comes before what its caller said later, however long", async (t) => {
  const moving = new UndoneError("on its way", { cause: new Error("TRYAGAIN") });
  const down = new ErrorReply("CLUSTERDOWN The cluster is down");
  const DOWN_CALLS = 14;
  for (const [what, refusalAfter] of [
    // The writer gives up after a second, and callers repeat.
    [
      "a slot that is on its way for seconds",
      (call: number) => (call < DOWN_CALLS ? moving : undefined),
    ],
    // One is refused, and those behind it would be taken.
    ["a cluster that is down for one call", (call: number) => (call === 1 ? down : undefined)],
    [
      "a cluster that is down for seconds",
      (call: number) => (call < DOWN_CALLS ? down : undefined),
    ],
  ] as const) {
    let begun = Infinity;
    const redis = await refusingRedis(t, (call) => {
      return call < begun ? undefined : refusalAfter(call - begun);
    });
    await redis.say("zeroth");
    await redis.say("guessed");
    begun = redis.calls();
    const notes: string[] = [];
    const saying: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) {
      notes.push(String(i));
      saying.push(redis.say(String(i)));
      // Some together, and some while others wait to be repeated.
      if (i % 3 === 0) await turn();
      if (i % 10 === 0) await delay(100);
    }
    await Promise.all(saying);
    t.strictSame(await redis.kept(), ["zeroth", "guessed", ...notes], what);
  }
});

void t.test("what is given up holds up nobody", async (t) => {
  let isAway = false;
  const down = new ErrorReply("CLUSTERDOWN The cluster is down");
  const redis = await refusingRedis(t, () => (isAway ? down : undefined));
  await redis.say("zeroth");
  isAway = true;
  const given = redis.say("given up", 300);
  await turn();
  const later = redis.say("later");
  await t.rejects(given, { code: "unavailable", retryable: true });
  isAway = false;
  await later;
  t.strictSame(await redis.kept(), ["zeroth", "later"]);
});

void t.test("what is never done is not asked for for ever", async (t) => {
  let asked = 0;
  const refuse = () =>
    Promise.reject(new UndoneError("not here", { cause: new Error(String(++asked)) }));
  const redis = {
    commands: { eval: refuse, evalSha: refuse },
    clock: new RedisClock(),
    replicas: undefined,
  };
  const redises = { verb: "SPUBLISH", waitsForReplicas: false, of: () => () => redis } as const;
  const publisher = new RedisPublisher(redises, DEFAULT_HISTORY_LIMITS, () => Promise.resolve());
  const emitter = new Emitter(publisher);
  const say = () =>
    emitter.emit("lecture-1", "important", { note: "", capture_url: null }, { timeoutMs: 2_500 });
  await t.rejects(say(), { code: "unavailable", retryable: true });
  t.ok(asked < 40, `${String(asked)} times`);
  await emitter.close();
});
