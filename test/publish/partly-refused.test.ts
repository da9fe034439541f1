import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { historyKey, parseSessionId, roomName, type Role } from "@inthon/emitter/protocol";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, urlAs } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { failureOf } from "./helpers/emitter-targets.js";

const QUESTION = { question_id: 1, cleaned_text: "Why?", capture_url: null };
const ALL_KEYS = ["resetkeys", "~*"];

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: {
    readonly code?: string;
    readonly detail?: string;
    readonly idempotency_key?: string;
    readonly duplicate?: boolean;
  };
}

/** A replica with a user of its own in Redis, and a lecture. */
async function open(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  const rights = (...rules: readonly string[]) =>
    admin.sendCommand(["ACL", "SETUSER", "server", ...rules]);
  await rights("on", ">secret", "&*", "+@all", ...ALL_KEYS);
  const url = urlAs(redis.url, "server", "secret");
  const server = await startServer({ env: { REDIS_URL: url } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const id = parseSessionId(session);
  if (!id) throw new Error("a session id");
  const history = (role: Role) => historyKey(roomName(id, role));
  const published = async () => [
    await admin.xLen(history("student")),
    await admin.xLen(history("teacher")),
  ];
  const ask = async (key?: string): Promise<Answer> => {
    const response = await fetch(`${server.url}/sessions/${session}/events`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      body: JSON.stringify({ event: "new_question", ...QUESTION }),
    });
    const body = (await response.json()) as Answer["body"];
    return { status: response.status, retryAfter: response.headers.get("retry-after"), body };
  };
  const overHttp = await connect(server.url);
  t.teardown(() => overHttp.close());
  const emit = () => failureOf(overHttp.emit(session, "new_question", QUESTION));
  const shelf = async (role: Role) => {
    await admin.del(history(role));
    await admin.set(history(role), "somebody else's");
  };
  return { admin, rights, server, history, published, ask, emit, shelf };
}

void t.test(
  "of two rooms one is denied: some of it is published, and nobody is told to wait",
  async (t) => {
    const { rights, server, history, published, ask, emit } = await open(t);
    await rights("resetkeys", "~session:*", "~inthon:*", `~${history("student")}`);
    const logged = server.waitForLine((line) =>
      line.includes("some of it may be published") ? line : undefined,
    );
    const { status, retryAfter, body } = await ask();
    t.match(
      { status, retryAfter, body },
      {
        status: 500,
        retryAfter: null,
        body: {
          code: "redis_refuses_part",
          detail: /some of it may be published, and the rest is refused.*denies.*mended, repeat/,
        },
      },
    );
    t.match(await logged, /NOPERM/, "the log says what Redis denied");
    t.strictSame(await published(), [1, 0]);
    t.match(await emit(), { code: "unavailable", retryable: true }, "an emitter is told the same");
    t.strictSame(await published(), [2, 0]);

    await rights(...ALL_KEYS);
    const { detail = "", idempotency_key: key } = body;
    t.ok(
      key !== undefined && detail.includes(key),
      "who gave no key is told the one to repeat with",
    );
    t.match(await ask(key), { status: 202, body: { duplicate: false } });
    t.match(await ask(key), { status: 202, body: { duplicate: true } });
    t.strictSame(await published(), [2, 1], "what was there is there once");
  },
);

void t.test("what is refused as a whole is told so: nothing was published", async (t) => {
  const { admin, rights, published, history, ask, emit, shelf } = await open(t);
  await rights("resetkeys", "~session:*", "~inthon:*");
  const nothing = /nothing of this was published/;
  t.match(await ask(), { status: 500, body: { code: "redis_denies_access", detail: nothing } });
  t.match(await emit(), { code: "rejected", retryable: false });
  t.strictSame(await published(), [0, 0]);
  await rights(...ALL_KEYS);

  for (const role of ["student", "teacher"] as const) await shelf(role);
  t.match(await ask(), { status: 500, body: { code: "redis_refuses", detail: nothing } });
  t.match(await emit(), { code: "rejected", retryable: false });
  await admin.del(history("teacher"));
  t.match(await ask(), { status: 500, body: { code: "redis_refuses_part" } });
});

void t.test("a full Redis may have taken a part, which is said", async (t) => {
  const { admin, ask } = await open(t);
  await admin.configSet("maxmemory", "1");
  const { status, retryAfter, body } = await ask("question-7");
  t.match(
    { status, retryAfter, body },
    {
      status: 503,
      retryAfter: "1",
      body: { code: "redis_full", idempotency_key: "question-7" },
    },
  );
  t.match(body.detail, /may be published: repeat .* Idempotency-Key: question-7$/);
});
