import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect as connectTo } from "node:net";
import t from "tap";
import { withSecret, nowS, sign } from "../gate/helpers/issuers.js";
import { EventStream } from "../helpers/clients/event-stream.js";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { EVENT, JSON_TYPE, REFUSALS } from "../helpers/samples/refusals.js";
import { fetchDocument, partCheck } from "./helpers/documents.js";
import { Recorder, type Asked } from "./helpers/recorder.js";

const KEY = "a-key-of-this-test";
const EVENTS = "/sessions/{session_id}/events";
const SESSION = "/sessions/{session_id}";
const STREAM = "/ws/session/{session_id}/{role}";

/** What is documented, and takes more to bring about than this test does: others do, each beside its promise. */
const ELSEWHERE: readonly RegExp[] = [
  // test/gate/bodies.test.ts, test/gate/readings.test.ts
  / overloaded$/,
  / get \/sessions\/\{session_id\}\/events 429 too_many_messages$/,
  // test/gate/requests.test.ts, on every path alike
  / (408 request_timeout|429 too_many_messages)$/,
  // test/gate/connections.test.ts
  / (429|503) too_many_(new_)?connections$/,
  // test/links/, test/publish/rights.test.ts, test/every-redis/
  / (redis_\w+|keys_unavailable)$/,
  // Nothing is known that brings it about.
  / internal_error$/,
  // In the moment in which a replica closes.
  / (post \S+ 503 draining|get \/(healthz|operator\/stream) 503 unavailable)$/,
  // test/event-stream/, after a wait of 15 s.
  / get \/ws\S+ 503 unavailable$/,
];

void t.test("what is answered over HTTP is in the OpenAPI document", async (t) => {
  const issuer = await withSecret();
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const server = await startServer({
    env: {
      ...issuer.env,
      REDIS_URL: redis.url,
      PUBLISH_KEYS: KEY,
      ALLOWED_ORIGINS: "https://classroom.example",
      DRAIN_DELAY_MS: "600000",
    },
  });
  t.teardown(async () => {
    // It drains, for long: a second signal ends it at once.
    server.kill("SIGKILL");
    await server.exited;
  });
  const { url } = server;
  const document = await fetchDocument(url, "openapi");
  const recorder = new Recorder(document, partCheck(document, "2020-12"));
  const token = (claims: object) => sign(issuer.signing, claims as Record<string, unknown>);
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  const withKey = bearer(KEY);

  const ask = async (
    asked: Asked,
    {
      target,
      ...init
    }: { target: string; headers?: Record<string, string>; body?: string | Buffer },
  ) => {
    const response = await fetch(`${url}${target}`, {
      method: asked.method,
      ...init,
      ...(typeof init.body === "object" && { body: new Uint8Array(init.body) }),
    } as RequestInit);
    const body = await response.text();
    recorder.add(asked, { status: response.status, headers: headersOf(response), body });
    return { status: response.status, body };
  };
  const publish = { method: "post", path: EVENTS } as const;
  const history = { method: "get", path: EVENTS } as const;
  const state = { method: "get", path: SESSION } as const;
  const stream = { method: "get", path: STREAM } as const;
  const watch = { method: "get", path: "/operator/stream" } as const;
  const find = { method: "get", path: "/operator/connections" } as const;
  const session = randomUUID();
  const events = `/sessions/${session}/events`;
  const page = `${events}?role=student`;
  const student = await token({ session_id: session, role: "student" });
  const expired = await token({ session_id: session, role: "student", exp: nowS() - 100 });

  await t.test("publishing", async (t) => {
    const headers = { ...JSON_TYPE, ...withKey };
    for (const body of [EVENT, `[${EVENT},${EVENT}]`]) {
      await ask(publish, { target: events, headers, body });
      const again = { ...headers, "idempotency-key": "k" };
      for (let i = 0; i < 2; i++) await ask(publish, { target: events, headers: again, body });
    }
    for (const [, { body = "", headers = JSON_TYPE }] of REFUSALS) {
      await ask(publish, { target: events, headers: { ...headers, ...withKey }, body });
    }
    for (const given of [{}, bearer("no-key-of-this-test"), bearer(expired), bearer(student)]) {
      await ask(publish, { target: events, headers: { ...JSON_TYPE, ...given }, body: EVENT });
    }
    await ask(publish, { target: "/sessions/no.session/events", headers, body: EVENT });
    t.strictSame(recorder.faults, []);
  });

  await t.test("reading, and hearing", async (t) => {
    const at = (role: string) => `/ws/session/${session}/${role}/`;
    for (const [asked, target] of [
      [history, page],
      [state, `/sessions/${session}`],
    ] as const) {
      for (const headers of [{}, withKey, bearer(student), bearer(expired)]) {
        await ask(asked, { target, headers });
      }
      const other = await token({ session_id: "another", role: "student" });
      await ask(asked, { target, headers: bearer(other) });
      await ask(asked, { target: target.replace(session, "no.session"), headers: withKey });
    }
    for (const query of ["", "?role=x", "?role=student&after=x", "?role=student&limit=0"]) {
      await ask(history, { target: `${events}${query}`, headers: withKey });
    }
    const wants = { accept: "text/event-stream" };
    for (const given of [{}, bearer(expired), bearer(student)]) {
      await ask(stream, { target: at("teacher"), headers: { ...wants, ...given } });
    }
    await ask(stream, { target: at("student"), headers: bearer(student) });
    await ask(stream, { target: at("nobody"), headers: wants });
    const open = (lastEventId?: string) =>
      EventStream.open(url, at("student"), { lastEventId, headers: bearer(student) });
    const first = await open();
    const ended = { target: events, headers: { ...JSON_TYPE, ...withKey } };
    await first.events.next();
    await ask(publish, { ...ended, body: '{"event":"session_ended"}' });
    await first.ended;
    await add(stream, first);
    const second = await open(first.lastEventId);
    await second.ended;
    await add(stream, second);
    t.strictSame(recorder.faults, []);
  });

  await t.test("what operators see", async (t) => {
    const operator = bearer(await token({ session_id: "*", role: "operator" }));
    const asked = [
      [watch, "/operator/stream?session=no.session"],
      [find, "/operator/connections?user=nobody"],
    ] as const;
    for (const [what, target] of asked) {
      for (const headers of [{}, operator, bearer(student), bearer(expired)]) {
        await ask(what, { target, headers });
      }
    }
    await ask(find, { target: "/operator/connections", headers: withKey });
    const stream = await EventStream.open(url, "/operator/stream", { headers: operator });
    await stream.events.next();
    stream.close();
    await add(watch, stream);
    t.strictSame(recorder.faults, []);
  });

  await t.test("what no page and no client of HTTP may do", async (t) => {
    const origin = { origin: "https://other.example" };
    const all = [
      [publish, events],
      [history, page],
      [state, `/sessions/${session}`],
      [stream, `/ws/session/${session}/student/`],
      [watch, "/operator/stream?session=no.session"],
      [find, "/operator/connections?id=x"],
      [{ method: "get", path: "/healthz" }, "/healthz"],
      [{ method: "get", path: "/readyz" }, "/readyz"],
    ] as const;
    for (const [asked, target] of all) {
      if (asked !== stream && asked !== publish) await ask(asked, { target, headers: withKey });
      await ask(asked, { target, headers: { ...origin, ...withKey } });
      const long = { ...withKey, "x-long": "x".repeat(20_000) };
      await ask(asked, { target, headers: long });
      await raw(asked, `${asked.method.toUpperCase()} ${target} HTTP/1.1\r\n\r\n`);
      const expects = "Host: x\r\nExpect: tea\r\n\r\n";
      await raw(asked, `${asked.method.toUpperCase()} ${target} HTTP/1.1\r\n${expects}`);
    }
    t.strictSame(recorder.faults, []);
  });

  await t.test("without Redis, and when it goes", async (t) => {
    await redis.stop();
    const ready = { method: "get", path: "/readyz" } as const;
    await eventually(async () => (await ask(ready, { target: "/readyz" })).status === 503);
    const headers = { ...JSON_TYPE, ...withKey };
    await Promise.all([
      ask(publish, { target: events, headers, body: EVENT }),
      ask(history, { target: page, headers: withKey }),
      ask(state, { target: `/sessions/${session}`, headers: withKey }),
      ask(find, { target: "/operator/connections?id=x", headers: withKey }),
    ]);
    server.kill("SIGTERM");
    await eventually(async () =>
      (await ask(ready, { target: "/readyz" })).body.includes("draining"),
    );
    t.strictSame(recorder.faults, []);
  });

  await t.test("and nothing else is in it", (t) => {
    const missing = [...recorder.documented()].filter((what) => !recorder.seen.has(what));
    const unknown = missing.filter((what) => !ELSEWHERE.some((each) => each.test(` ${what}`)));
    t.strictSame(unknown.sort(), []);
    t.ok(recorder.seen.size > 40, `${recorder.seen.size} answers have been seen`);
    t.end();
  });

  async function add(asked: Asked, { response, status = 0, text }: EventStream): Promise<void> {
    const headers = response.headers as Record<string, string>;
    recorder.add(asked, { status, headers, body: text });
    await Promise.resolve();
  }

  /** What no client of HTTP would send. */
  async function raw(asked: Asked, request: string): Promise<void> {
    const { port, hostname } = new URL(url);
    const socket = connectTo(Number(port), hostname);
    await once(socket, "connect");
    socket.write(request);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    const [head = "", body = ""] = text.split("\r\n\r\n");
    const lines = head.split("\r\n").slice(1);
    const headers = lines.map((line) => /^([^:]+): *(.*)$/.exec(line) ?? []);
    const isChunked = /^transfer-encoding: chunked/im.test(head);
    recorder.add(asked, {
      status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
      headers: Object.fromEntries(headers.map(([, k = "", v]) => [k.toLowerCase(), v])),
      // Of one piece.
      body: isChunked ? (body.split("\r\n")[1] ?? "") : body,
    });
  }
});

function headersOf(response: Response): Record<string, string> {
  return Object.fromEntries(response.headers);
}
