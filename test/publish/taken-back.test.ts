import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect, type Emitter } from "@inthon/emitter";
import {
  historyKey,
  newKeysKey,
  parseOffset,
  parseSessionId,
  roomName,
} from "@inthon/emitter/protocol";
import { startRedis } from "../helpers/processes/redis-server.js";
import { failureOf } from "./helpers/emitter-targets.js";

const EVENT = { event: "important", note: "", capture_url: null } as const;
/** The longest string that Redis takes, at its shortest: a log of keys that is as long takes no more. */
const MAX_STRING_BYTES = 1024 * 1024;

/** How an event may come to Redis whose key then cannot be noted. */
const WAYS: Readonly<Record<string, (emitter: Emitter, session: string) => Promise<unknown>>> = {
  alone: (emitter, session) => emitter.emitAll(session, [EVENT]),
  "as an array": (emitter, session) => emitter.emitAll(session, [EVENT, EVENT, EVENT]),
};

async function open(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = createClient({ url: redis.url });
  await admin.connect();
  t.teardown(() => {
    admin.destroy();
  });
  await admin.configSet("proto-max-bulk-len", String(MAX_STRING_BYTES));
  return { redis, admin };
}

for (const [way, publish] of Object.entries(WAYS)) {
  for (const guesses of [true, false]) {
    for (const isEmpty of [false, true]) {
      const who = guesses ? "by who guesses its number" : "by who does not";
      const where = isEmpty ? "a history without entries" : "a history with others";
      void t.test(
        `what is taken out of ${where} gives its number back: ${way}, ${who}`,
        async (t) => {
          const { redis, admin } = await open(t);
          const known = await connect(redis.url);
          t.teardown(() => known.close());
          const emitter = guesses ? known : await connect(redis.url);
          t.teardown(() => emitter.close());
          const session = randomUUID();
          const id = parseSessionId(session);
          if (!id) throw new Error("a session id");
          const room = roomName(id, "student");
          const [history, log] = [historyKey(room), newKeysKey(room)];
          for (let i = 0; i < 3; i++) await known.emitAll(session, [EVENT]);
          if (isEmpty) await admin.xTrim(history, "MAXLEN", 0);
          const before = (await admin.xRange(history, "-", "+")) ?? [];

          const kept = (await admin.get(log)) ?? "";
          await admin.set(log, kept.padEnd(MAX_STRING_BYTES - 1, "x"));
          t.match(await failureOf(publish(emitter, session)), {
            code: "rejected",
            retryable: false,
          });
          t.strictSame(await admin.xRange(history, "-", "+"), before, "nothing of it stays");
          await admin.set(log, kept);

          const results = await emitter.emitAll(session, [EVENT, EVENT]);
          results.push(...(await known.emitAll(session, [EVENT])));
          t.strictSame(
            results.map(({ offsets, duplicate }) => [parseOffset(offsets.student)?.n, duplicate]),
            [4, 5, 6].map((n) => [n, false]),
            "the next one gets its number",
          );
          const entries = (await admin.xRange(history, "-", "+")) ?? [];
          t.equal(entries.length, before.length + 3);
          t.equal(await admin.xLen(history), entries.length);
        },
      );
    }
  }
}
