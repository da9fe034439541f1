import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { historyKey, parseSessionId, roomName, type Role } from "@inthon/emitter/protocol";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { failureOf } from "./helpers/emitter-targets.js";

const IMPORTANT = { note: "", capture_url: null };
const QUESTION = { question_id: 1, cleaned_text: "Why?", capture_url: null };
/** Long enough for a retry or two. */
const BRIEF = { timeoutMs: 400 };

async function open(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  const proxy = await startTcpProxy(redis.port);
  t.teardown(() => proxy.stop());
  const emitter = await connect(proxy.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const id = parseSessionId(session);
  if (!id) throw new Error("a session id");
  const history = (role: Role) => historyKey(roomName(id, role));
  const published = (role: Role) => admin.xLen(history(role));
  const say = (options = {}) => emitter.emit(session, "important", IMPORTANT, options);
  const ask = (options = {}) => emitter.emit(session, "new_question", QUESTION, options);
  return { admin, proxy, history, published, say, ask };
}

void t.test("what may have been published is not rejected by what is refused later", async (t) => {
  for (const isKnown of [true, false]) {
    const { admin, proxy, published, say } = await open(t);
    for (let i = 0; isKnown && i < 3; i++) await say();
    const before = await published("student");
    proxy.hang({ directions: ["answers"] });
    const failed = failureOf(say());
    await eventually(async () => (await published("student")) === before + 1);
    await admin.sendCommand(["ACL", "SETUSER", "default", "-publish"]);
    proxy.cut();
    const { idempotencyKey, ...failure } = await failed;
    t.match(failure, { code: "unavailable", retryable: true });
    t.equal(await published("student"), before + 1);

    await admin.sendCommand(["ACL", "SETUSER", "default", "+publish"]);
    t.match(await say({ idempotencyKey }), { duplicate: true }, "it was published all the time");
    t.equal(await published("student"), before + 1);
  }
});

void t.test("what one of two rooms has is not rejected", async (t) => {
  for (const isKnown of [true, false]) {
    for (const role of ["student", "teacher"] as const) {
      const other = role === "student" ? "teacher" : "student";
      const { admin, history, published, ask } = await open(t);
      for (let i = 0; isKnown && i < 3; i++) await ask();
      const before = await published(role);
      await admin.del(history(other));
      await admin.set(history(other), "somebody else's");
      const { idempotencyKey, ...failure } = await failureOf(ask(BRIEF));
      t.match(failure, { code: "unavailable", retryable: true });
      t.equal(await published(role), before + 1);

      await admin.del(history(other));
      await ask({ idempotencyKey });
      t.strictSame([await published(role), await published(other)], [before + 1, 1]);
      t.match(await ask({ idempotencyKey }), { duplicate: true });
    }
  }
});

void t.test("what no room has is rejected", async (t) => {
  for (const isKnown of [true, false]) {
    const { admin, history, published, ask } = await open(t);
    for (let i = 0; isKnown && i < 3; i++) await ask();
    const before = isKnown ? 3 : 0;
    await admin.sendCommand(["ACL", "SETUSER", "default", "-publish"]);
    t.match(await failureOf(ask()), { code: "rejected", retryable: false });
    t.strictSame([await published("student"), await published("teacher")], [before, before]);
    await admin.sendCommand(["ACL", "SETUSER", "default", "+publish"]);

    for (const role of ["student", "teacher"] as const) {
      await admin.del(history(role));
      await admin.set(history(role), "somebody else's");
    }
    const { idempotencyKey, ...failure } = await failureOf(ask());
    t.match(failure, { code: "rejected", retryable: false });
    for (const role of ["student", "teacher"] as const) {
      t.equal(await admin.get(history(role)), "somebody else's");
      await admin.del(history(role));
    }
    t.match(await ask({ idempotencyKey }), { duplicate: false });
  }
});
