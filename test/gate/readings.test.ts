import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { openFiles } from "../helpers/open-files.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { refusalCodes } from "./helpers/refusal-log.js";

const NOTE = "x".repeat(4_000);
const NOTES = 500;
const CLIENTS = 20;
/** Of one address, at the same time. */
const PLACES = 16;
/** Their pages take longer than any of them waits. */
const CROWD = 60;

interface Page {
  readonly complete: boolean;
  readonly events: readonly { readonly offset: string }[];
}

async function openFat(t: Test, kind: "memory" | "Redis", env = {}, notes = NOTES) {
  const redis = kind === "Redis" ? await startRedis() : undefined;
  if (redis) t.teardown(() => redis.stop());
  const server = await startServer({ env: { ...(redis && { REDIS_URL: redis.url }), ...env } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const offsets: string[] = [];
  for (let i = 0; i < notes; i++) {
    const told = await emitter.emit(session, "important", { note: NOTE, capture_url: null });
    offsets.push(told.offsets.student ?? "");
  }
  return { redis, server, emitter, offsets, path: `/sessions/${session}/events?role=student` };
}

for (const kind of ["memory", "Redis"] as const) {
  void t.test(`${kind}: a page that is put together from pieces is whole`, async (t) => {
    const { server, offsets, path } = await openFat(t, kind);
    const read: string[] = [];
    for (let after = ""; read.length < NOTES;) {
      const answer = await fetch(`${server.url}${path}&limit=1000${after}`);
      const text = await answer.text();
      const { events, complete } = JSON.parse(text) as Page;
      t.ok(complete);
      t.ok(text.length > 900_000 || read.length + events.length === NOTES, "and full");
      t.ok(text.length < 1_200_000);
      read.push(...events.map(({ offset }) => offset));
      after = `&after=${read.at(-1) ?? ""}`;
    }
    t.strictSame(read, offsets);
    const few = await fetch(`${server.url}${path}&limit=150`);
    const { events } = (await few.json()) as Page;
    t.equal(events.length, 150);
  });
}

for (const kind of ["memory", "Redis"] as const) {
  void t.test(`${kind}: who waits for longer than may be is told so`, async (t) => {
    const { server, path } = await openFat(t, kind, { TRUST_PROXY: "1" });
    const codes = await Promise.all(
      Array.from({ length: CROWD }, async (_, i) => {
        const headers = { "x-forwarded-for": `192.0.2.${String(i)}` };
        const answer = await fetch(`${server.url}${path}&limit=1000`, { headers });
        const { code } = (await answer.json()) as { code?: string };
        return [answer.status, code].join(" ");
      }),
    );
    // And not that Redis is away.
    t.strictSame(new Set(codes), new Set(["200 ", "503 overloaded"]));
    t.match(server.output(), /"session":"[^"]+".*"protocol":"http".*"code":"overloaded"/);
  });
}

void t.test("those who read very much hold up nobody who publishes", async (t) => {
  const { redis, server, emitter, path } = await openFat(t, "Redis", { TRUST_PROXY: "false" });
  const request = requestHead("GET", `${path}&limit=1000`, []).repeat(8);
  const clients: RawBytes[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    clients.push(client);
  }
  // While it does not answer, all come together.
  redis?.pause();
  for (const client of clients) client.send(request);
  await eventually(() => Promise.resolve(refusalCodes(server).has("too_many_messages")));
  redis?.resume();
  await emitter.emit("other", "important", { note: "", capture_url: null });
  const refused = () => clients.filter(({ received }) => received.startsWith("HTTP/1.1 429"));
  await eventually(() => Promise.resolve(refused().length > 0));
  t.match(refused()[0]?.received, /retry-after: 1.*"code":"too_many_messages"/s);
  t.equal((await fetch(`${server.url}/readyz`)).status, 200);
  for (const { socket } of clients) socket.destroy();
  await eventually(async () => (await fetch(`${server.url}${path}`)).status === 200);
});

void t.test("those who ask for a history and go give up their places at once", async (t) => {
  const { redis, server, path } = await openFat(t, "Redis", { TRUST_PROXY: "false" }, 1);
  const ask = async (head: string) => {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(head);
    return client;
  };
  // Its answer comes on a connection that is there already.
  const other = await ask(requestHead("GET", "/healthz", []));
  await other.until("HTTP/1.1 200");
  const before = openFiles(server.pid);
  redis?.pause();
  const clients: RawBytes[] = [];
  for (let i = 0; i <= PLACES; i++) clients.push(await ask(requestHead("GET", path, [])));
  await eventually(() => Promise.resolve(refusalCodes(server).has("too_many_messages")));
  for (const { socket } of clients) socket.destroy();
  await eventually(() => Promise.resolve(openFiles(server.pid) <= before));
  redis?.resume();
  other.send(requestHead("GET", path, []));
  const answers = await other.until("HTTP/1.1 ", 2);
  t.match(answers.slice(answers.lastIndexOf("HTTP/1.1 ")), /^HTTP\/1\.1 200/);
});

void t.test("where Redis hangs, those who wait for their turn are told so as well", async (t) => {
  const { redis, server, path } = await openFat(t, "Redis", {}, 1);
  redis?.pause();
  const codes = await Promise.all(
    Array.from({ length: PLACES }, async () => {
      const answer = await fetch(`${server.url}${path}`);
      const { code } = (await answer.json()) as { code?: string };
      return [answer.status, code].join(" ");
    }),
  );
  t.strictSame(new Set(codes), new Set(["503 unavailable"]));
  t.notOk(refusalCodes(server).has("overloaded"), "nor do they count as too many");
  redis?.resume();
  await eventually(async () => (await fetch(`${server.url}${path}`)).status === 200);
});
