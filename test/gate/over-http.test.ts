import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { post } from "../helpers/processes/environments.js";
import { authorization, byHttp, DOORS } from "./helpers/doors.js";
import { nowS, sign, withSecret } from "./helpers/issuers.js";
import { startWatched, STORES } from "./helpers/traces.js";

const PUBLISH_KEY = "the-key-of-a-service";
const EVENT = { event: "important", note: "Look at this again", capture_url: null };
const payload = { note: EVENT.note, capture_url: null };

type Request = (url: string, session: string, headers: Record<string, string>) => Promise<number>;

const status = async (answer: Promise<{ status: number | undefined }>) =>
  (await answer).status ?? 0;
const history = (role: string): Request => {
  return (url, session, headers) =>
    status(byHttp(`${url}/sessions/${session}/events?role=${role}`, { headers }));
};

const REQUESTS = {
  publish: (url, session, headers) => status(post(url, session, EVENT, headers)),
  "the teacher's history": history("teacher"),
  "the students' history": history("student"),
  "no role's history": history("nobody"),
  "the session": (url, session, headers) =>
    status(byHttp(`${url}/sessions/${session}`, { headers })),
} as const satisfies Readonly<Record<string, Request>>;

/** Who asks, and the status of the answer to each request, in the order of the requests. */
const MATRIX: readonly (readonly [who: string, claims: object | undefined, answers: number[]])[] = [
  ["who has nothing", undefined, [401, 401, 401, 401, 401]],
  ["a publisher of the session", { role: "publisher" }, [202, 200, 200, 400, 200]],
  ["a publisher", { session_id: "*", role: "publisher" }, [202, 200, 200, 400, 200]],
  ["a publisher elsewhere", { session_id: "x", role: "publisher" }, [403, 403, 403, 403, 403]],
  ["a teacher of the session", { role: "teacher" }, [403, 200, 403, 400, 200]],
  ["a teacher", { session_id: "*", role: "teacher" }, [403, 200, 403, 400, 200]],
  ["a teacher elsewhere", { session_id: "x", role: "teacher" }, [403, 403, 403, 403, 403]],
  ["a student of the session", { role: "student" }, [403, 403, 200, 400, 200]],
  ["a student elsewhere", { session_id: "x", role: "student" }, [403, 403, 403, 403, 403]],
  ["whose token has run out", { role: "publisher", exp: 1 }, [401, 401, 401, 401, 401]],
];

void t.test("who sends a wrong key, or no token, is told what is missing", async (t) => {
  const { signing, env } = await withSecret();
  const withBoth = await startWatched(t, "memory", { ...env, PUBLISH_KEYS: PUBLISH_KEY });
  const withKeys = await startWatched(t, "memory", { PUBLISH_KEYS: PUBLISH_KEY });
  const token = await sign(signing, { session_id: "*", role: "publisher" });
  const cases = [
    [withBoth, "a-wrong-key-of-mine", /neither one of the server's publish keys nor a right token/],
    [withBoth, `Bearer ${PUBLISH_KEY}`, /begins with "Bearer", which belongs there once/],
    [withBoth, `Bearer ${token}`, /begins with "Bearer", which belongs there once/],
    [withBoth, `${token} x`, /holds a blank/],
    [withKeys, "a-wrong-key-of-mine", /none of the server's publish keys/],
    [withKeys, `Bearer ${PUBLISH_KEY}`, /begins with "Bearer", which belongs there once/],
    [withKeys, undefined, /send one of the server's publish keys/],
  ] as const;
  for (const [app, sent, text] of cases) {
    const headers = authorization({ token: sent });
    const answer = await byHttp(`${app.url}/sessions/lecture-1`, { headers });
    t.match(answer, { status: 401, code: "unauthorized", text });
    if (sent !== undefined) t.notMatch(answer.text + answer.headers, sent, "it is not repeated");
  }
  const visitor = { url: withBoth.url, session: "lecture-1", role: "student" } as const;
  for (const [sent, text] of [
    [`Bearer ${token}`, /begins with "Bearer"/],
    [`${token}\n`, /end of a line/],
  ] as const) {
    const answer = await DOORS["Socket.IO by WebSocket"]?.({ ...visitor, token: sent });
    t.match(answer, { code: "unauthorized", text });
  }
});

for (const store of STORES) {
  void t.test(`what may be asked over HTTP, in ${store}`, async (t) => {
    const { signing, env } = await withSecret();
    const app = await startWatched(t, store, {
      ...env,
      PUBLISH_KEYS: `the-key-of-another,${PUBLISH_KEY}`,
    });
    const { url } = app;

    for (const [who, claims, expected] of MATRIX) {
      await t.test(`by ${who}`, async (t) => {
        const session = randomUUID();
        const token = claims && (await sign(signing, { session_id: session, ...claims }));
        const answers = [];
        for (const ask of Object.values(REQUESTS)) {
          answers.push(await ask(url, session, authorization({ token })));
        }
        t.strictSame(answers, expected, Object.keys(REQUESTS).join(", "));
      });
    }

    await t.test(
      "by a service with a publish key, where tokens are believed as well",
      async (t) => {
        const session = randomUUID();
        const headers = authorization({ token: PUBLISH_KEY });
        for (const [name, ask] of Object.entries(REQUESTS)) {
          const expected = { publish: 202, "no role's history": 400 }[name] ?? 200;
          t.equal(await ask(url, session, headers), expected, name);
        }
      },
    );

    await t.test("a refusal says what is wrong, and never the token", async (t) => {
      const session = randomUUID();
      const token = await sign(signing, { session_id: session, role: "student" });
      const response = await post(url, session, EVENT, authorization({ token }));
      t.match(response.headers.get("content-type"), "application/problem+json");
      t.match(response.headers.get("www-authenticate"), /error="insufficient_scope"/);
      const text = await response.text();
      t.match(JSON.parse(text), { code: "forbidden", status: 403, detail: /publisher/ });
      t.notOk(text.includes(token));
      const none = await post(url, session, EVENT);
      t.equal(none.headers.get("www-authenticate"), "Bearer", "nothing was wrong with a token");
    });

    await t.test(
      "the emitter takes a token as its key, and says when it will not do",
      async (t) => {
        const session = randomUUID();
        const emitterOf = async (claims: object) => {
          const key = await sign(signing, { session_id: session, role: "publisher", ...claims });
          const emitter = await connect(url, { key });
          t.teardown(() => emitter.close());
          return emitter;
        };
        const { offsets } = await (await emitterOf({})).emit(session, "important", payload);
        t.ok(offsets.student);
        for (const claims of [{ exp: nowS() - 60 }, { session_id: "x" }, { role: "teacher" }]) {
          const emitter = await emitterOf(claims);
          const refusal = { code: "unauthorized", retryable: false };
          await t.rejects(emitter.emit(session, "important", payload), refusal);
        }
      },
    );
  });
}

void t.test("with publish keys alone all requests ask for one", async (t) => {
  const app = await startWatched(t, "memory", { PUBLISH_KEYS: PUBLISH_KEY });
  for (const [name, ask] of Object.entries(REQUESTS)) {
    const session = randomUUID();
    t.equal(await ask(app.url, session, {}), 401, name);
    t.equal(await ask(app.url, session, authorization({ token: "wrong" })), 401, name);
    const expected = { publish: 202, "no role's history": 400 }[name] ?? 200;
    t.equal(await ask(app.url, session, authorization({ token: PUBLISH_KEY })), expected, name);
  }
});
