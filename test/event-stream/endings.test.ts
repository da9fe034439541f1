import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";
import { EventStream, type StreamOptions } from "../helpers/clients/event-stream.js";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 3;

const KEY = "the-key-of-a-service";
const LARGE = 60_000;
const BURST = 16;
/** More than the kernel keeps for a connection that nobody reads. */
const BURSTS = 20;

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const server = await startServer({ env: { PUBLISH_KEYS: KEY, ...env } });
  t.teardown(() => server.stop());
  const emitter = await connect(server.url, { key: KEY });
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const open = async (options?: StreamOptions) => {
    const stream = await EventStream.open(server.url, `/ws/session/${session}/student/`, options);
    t.teardown(() => {
      stream.close();
    });
    return stream;
  };
  const ended = (reason: string) =>
    server.waitForLine((line) =>
      line.includes('"disconnected"') && line.includes(`"reason":"${reason}"`) ? line : undefined,
    );
  const sayMuch = async (bursts = BURSTS) => {
    for (let burst = 0; burst < bursts; burst++) {
      const event = (i: number) => ({
        event: "important" as const,
        note: `${String(burst * BURST + i)} `.padEnd(LARGE, "x"),
        capture_url: null,
      });
      await emitter.emitAll(
        session,
        Array.from({ length: BURST }, (_, i) => event(i)),
      );
    }
  };
  return { server, emitter, session, open, ended, sayMuch };
}

/** The numbers of the notes that it has had whole. */
function numbersIn({ events }: EventStream): readonly number[] {
  return events.items.flatMap(({ event, data }) => {
    const { note } = JSON.parse(data) as { note?: string };
    return event === "important" && note?.length === LARGE ? [parseInt(note)] : [];
  });
}

void t.test("who takes nothing from one heartbeat to the next is gone", async (t) => {
  const env = { MAX_UNREAD_BYTES: String(2 ** 28), PING_INTERVAL_MS: "500" };
  const { open, ended, sayMuch } = await start(t, env);
  const [stuck, other] = [await open(), await open()];
  for (const { events } of [stuck, other]) await events.next();
  stuck.response.pause();
  const gone = ended("ping_timeout");
  await sayMuch();
  t.match(JSON.parse(await gone), { protocol: "event-stream" });
  await other.events.until(() => numbersIn(other).length === BURST * BURSTS);
  t.notOk(other.response.destroyed, "whoever reads stays");
});

void t.test("a stream ends with its token, and resumes with a fresh one alone", async (t) => {
  const { signing, env } = await withSecret();
  const { open, ended, session, emitter } = await start(t, env);
  const bearer = async (goodForS: number) => {
    const claims = { session_id: session, role: "student", exp: nowS() + goodForS };
    return { authorization: `Bearer ${await sign(signing, claims)}` };
  };
  const old = await bearer(2);
  const stream = await open({ headers: old });
  const { id: lastEventId } = await stream.events.next();
  const expired = ended("token_expired");
  await stream.ended;
  await expired;
  await emitter.emit(session, "important", { note: "meanwhile", capture_url: null });
  const refused = await open({ headers: old, lastEventId });
  await refused.ended;
  t.equal(refused.status, 401);
  t.match(JSON.parse(refused.text), { code: "token_expired", detail: /fresh one/ });
  const back = await open({ headers: await bearer(600), lastEventId });
  await back.events.next(({ data }) => data.includes("meanwhile"));
  t.equal(back.events.items[0]?.id, lastEventId);
});

void t.test("pages of named origins may send what their browser knows of them", async (t) => {
  const page = "https://school.example";
  const { open, emitter, session } = await start(t, { ALLOWED_ORIGINS: page });
  const named = await open({ headers: { origin: page } });
  t.equal(named.status, 200);
  const allowed = {
    "access-control-allow-origin": page,
    "access-control-allow-credentials": "true",
    vary: /origin/i,
  };
  t.match(named.response.headers, allowed);
  await emitter.emit(session, "session_ended");
  await named.ended;
  const back = await open({ headers: { origin: page }, lastEventId: named.lastEventId });
  t.equal(back.status, 204);
  t.match(back.response.headers, allowed, "also where it is told to stay away");
  const other = await open({ headers: { origin: "https://other.example" } });
  t.equal(other.status, 403);
  const anybody = await start(t);
  const { response } = await anybody.open({ headers: { origin: page } });
  t.equal(response.headers["access-control-allow-origin"], "*");
});

void t.test(
  "whoever waits while its replica goes is told to come back, and nothing else",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const proxy = await startTcpProxy(redis.port);
    t.teardown(() => proxy.stop());
    const { server, open } = await start(t, { REDIS_URL: proxy.url });
    await eventually(async () => (await fetch(`${server.url}/readyz`)).ok);
    proxy.hang();
    const waiting = open();
    // By then it has come, and waits for Redis.
    await eventually(async () => (await fetch(`${server.url}/readyz`)).status === 503);
    server.kill("SIGTERM");
    const stream = await waiting;
    await stream.ended;
    t.equal(stream.status, 503);
    t.match(stream.response.headers, { "retry-after": "1", connection: "close" });
    t.match(stream.response.headers["content-type"], /^application\/problem\+json/);
    t.match(JSON.parse(stream.text), { code: "unavailable" });
  },
);
