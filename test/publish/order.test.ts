import { setImmediate as turn } from "node:timers/promises";
import t, { type Test } from "tap";
import { createClientPool } from "redis";
import {
  connect,
  DEFAULT_HISTORY_LIMITS,
  Emitter,
  oneRedis,
  RedisPublisher,
  type RedisCommands,
} from "@inthon/emitter";
import { historyKey, roomName, type SessionId } from "@inthon/emitter/protocol";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, type Admin } from "../helpers/processes/redis-users.js";

const SESSION = "lecture-1" as SessionId;
const HISTORY = historyKey(roomName(SESSION, "student"));
const important = (note: string) => ({ note, capture_url: null });

/** What is in the history of the students, in its order. */
async function notesIn(admin: Admin): Promise<readonly string[]> {
  const entries = (await admin.xRange(HISTORY, "-", "+")) ?? [];
  return entries.map(
    ({ message }) => (JSON.parse(message["event"] ?? "{}") as { note: string }).note,
  );
}

async function start(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  return { redis, admin: await adminOf(t, redis) };
}

/**
 * The commands of a connection whose calls come to Redis one after the other, as they do, with time for what others do
 * between two of them.
 */
function withTimeBetween(client: RedisCommands) {
  let last: Promise<unknown> = Promise.resolve();
  let between: (() => Promise<unknown>) | undefined;
  const run = (call: () => Promise<unknown>) => {
    const called = last.then(call);
    const meanwhile = between;
    between = undefined;
    last = called.catch(() => undefined).then(() => meanwhile?.());
    // Told when those behind it have come to Redis.
    return called.finally(() => last.then(turn));
  };
  const commands: RedisCommands = {
    eval: (...args) => run(() => client.eval(...args)),
    evalSha: (...args) => run(() => client.evalSha(...args)),
  };
  return {
    commands,
    /** Behind the next call. */
    behindTheNext: (what: () => Promise<unknown>) => {
      between = what;
    },
  };
}

interface Refusal {
  /** From now on Redis refuses. */
  readonly begin: (admin: Admin) => Promise<unknown>;
  /** From now on it does not. */
  readonly end: (admin: Admin, publishElsewhere: () => Promise<unknown>) => Promise<unknown>;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "had forgotten its scripts, which another program brings": {
    begin: (admin) => admin.scriptFlush(),
    end: (_, publishElsewhere) => publishElsewhere(),
  },
  "lacked replicas": {
    begin: (admin) => admin.configSet("min-replicas-to-write", "1"),
    end: (admin) => admin.configSet("min-replicas-to-write", "0"),
  },
  "was full": {
    begin: (admin) => admin.configSet("maxmemory", "1"),
    end: (admin) => admin.configSet("maxmemory", "0"),
  },
};

for (const [what, { begin, end }] of Object.entries(REFUSALS)) {
  void t.test(`what follows a call is not published before it where Redis ${what}`, async (t) => {
    const { redis, admin } = await start(t);
    const client = await adminOf(t, redis);
    const { commands, behindTheNext } = withTimeBetween(client);
    const emitter = new Emitter(
      new RedisPublisher(oneRedis({ commands }), DEFAULT_HISTORY_LIMITS, () => Promise.resolve()),
    );
    t.teardown(() => emitter.close());
    const say = (note: string) => emitter.emit(SESSION, "important", important(note));
    // Behind these it guesses; an array goes the other way.
    for (const note of ["one", "two"]) await say(note);
    for (const isArray of [false, true]) {
      await begin(admin);
      behindTheNext(() =>
        end(admin, async () => {
          const others = await connect(redis.url);
          for (const note of ["others", "others"]) {
            await others.emit(SESSION, "important", important(note));
          }
          await others.close();
        }),
      );
      const name = (place: string) => `${place}${isArray ? " of an array" : ""}`;
      const first = isArray
        ? emitter.emitAll(SESSION, [{ event: "important", ...important(name("first")) }], {
            idempotencyKey: "a-key",
          })
        : say(name("first"));
      const calls = [first];
      for (const place of ["second", "third"]) {
        // A call of the script for each.
        await turn();
        await turn();
        calls.push(say(name(place)));
      }
      await Promise.all(calls);
    }
    t.strictSame(
      (await notesIn(admin)).filter((note) => note !== "others"),
      [
        ...["one", "two", "first", "second", "third"],
        ...["first of an array", "second of an array", "third of an array"],
      ],
    );
  });
}

void t.test("calls to a pool of connections are published in their order", async (t) => {
  const { redis, admin } = await start(t);
  const pool = createClientPool({ url: redis.url }, { minimum: 4, maximum: 8 });
  await pool.connect();
  t.teardown(() => {
    pool.destroy();
  });
  const emitter = await connect(pool);
  t.teardown(() => emitter.close());
  const notes = Array.from({ length: 200 }, (_, i) => String(i));
  const calls: Promise<unknown>[] = [];
  for (const note of notes) {
    // Long ones take longer to come.
    const capture_url = Number(note) % 2 === 0 ? `/${"x".repeat(20_000)}` : null;
    calls.push(emitter.emit(SESSION, "important", { note, capture_url }));
    await turn();
  }
  await Promise.all(calls);
  t.strictSame(await notesIn(admin), notes);
});

void t.test(
  "what is published in the turn of a failure comes behind what has failed",
  async (t) => {
    const { redis, admin } = await start(t);
    const client = await adminOf(t, redis);
    let fail: ((error: Error) => void) | undefined;
    let isAway = false;
    const through =
      (verb: "eval" | "evalSha"): RedisCommands["eval"] =>
      (script, options) =>
        isAway
          ? new Promise((_, reject) => {
              fail = reject;
            })
          : client[verb](script, options);
    const commands = { eval: through("eval"), evalSha: through("evalSha") };
    const emitter = new Emitter(
      new RedisPublisher(oneRedis({ commands }), DEFAULT_HISTORY_LIMITS, () => Promise.resolve()),
    );
    t.teardown(() => emitter.close());
    const say = (note: string) => emitter.emit(SESSION, "important", important(note));
    const expected: string[] = [];
    // So many steps of promises later.
    for (let steps = 0; steps < 20; steps++) {
      isAway = true;
      const first = say(`first ${String(steps)}`);
      await turn();
      await turn();
      isAway = false;
      fail?.(new Error("the connection is lost"));
      for (let i = 0; i < steps; i++) await Promise.resolve();
      const second = say(`second ${String(steps)}`);
      await Promise.all([first, second]);
      expected.push(`first ${String(steps)}`, `second ${String(steps)}`);
    }
    t.strictSame(await notesIn(admin), expected);
  },
);
