import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { historyKey, ROLES, roomName, type Role, type SessionId } from "@inthon/emitter/protocol";
import { join } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

/** A history in which nobody publishes lives no longer than others: so short that a test sees it end. */
const SHORT = { HISTORY_TTL_S: "3", LEASE_MS: "1000" };
const EVENT = { event: "important", note: "n", capture_url: null };

async function open(t: Test, kind: "redis" | "memory", env: Record<string, string>) {
  const redis = kind === "redis" ? await startRedis() : undefined;
  if (redis) t.teardown(() => redis.stop());
  const server = await startServer({ env: { ...env, ...(redis && { REDIS_URL: redis.url }) } });
  t.teardown(() => server.stop());
  const client = redis && createClient({ url: redis.url });
  await client?.connect();
  t.teardown(() => {
    client?.destroy();
  });
  const { url } = server;
  const look = async (session: string, role: Role) => {
    const answer = await fetch(`${url}/sessions/${session}/events?role=${role}`);
    return (await answer.json()) as { head: string; complete: boolean; events: unknown[] };
  };
  /** Whether nothing of a session is left. */
  const isGone = async (session: string) => {
    const heads = await Promise.all(ROLES.map((role) => look(session, role)));
    return heads.every(({ head }) => head === "0-0") && (await keysOf(session)).length === 0;
  };
  const keysOf = async (session: string) => (client ? client.keys(`*${session}*`) : []);
  /** A teacher comes and goes, and both is told. */
  const visit = async (session: string) => {
    const teacher = await join({ url, session, role: "teacher", kind: "plain" });
    await eventually(async () => (await look(session, "student")).events.length === 1);
    await teacher.close();
    await eventually(async () => (await look(session, "student")).events.length === 2);
  };
  return { url, client, look, isGone, keysOf, visit };
}

/** A plain student who asks for offsets, and goes on where it is told. */
async function student(t: Test, url: string, session: string, offset = "") {
  const target = `${url.replace("http", "ws")}/ws/session/${session}/student/?offset=${offset}`;
  const socket = new WebSocket(target);
  t.teardown(() => {
    socket.terminate();
  });
  const inbox = new Inbox<Record<string, unknown>>();
  socket.on("message", (data) => {
    inbox.add(JSON.parse((data as Buffer).toString()) as Record<string, unknown>);
  });
  const { offset: place } = await inbox.next();
  return { socket, inbox, place: String(place) };
}

for (const kind of ["redis", "memory"] as const) {
  void t.test(`what is left of sessions that were only named (${kind})`, async (t) => {
    const { url, look, isGone, keysOf, visit } = await open(t, kind, SHORT);

    await t.test("who only asks begins nothing", async (t) => {
      const session = randomUUID();
      for (const role of ROLES) {
        const { head, complete, events } = await look(session, role);
        t.strictSame({ head, complete, events }, { head: "0-0", complete: true, events: [] });
      }
      t.equal((await fetch(`${url}/sessions/${session}`)).status, 200);
      t.strictSame(await keysOf(session), []);
      t.equal((await post(url, session, EVENT)).status, 202);
      const read = await fetch(`${url}/sessions/${session}/events?role=student&after=0-0`);
      const page = (await read.json()) as { complete: boolean; events: unknown[] };
      t.match(page, { complete: true, events: [{ event: EVENT }] }, "and misses nothing later");
    });

    await t.test("a teacher's visit leaves nothing", async (t) => {
      const session = randomUUID();
      await visit(session);
      await eventually(() => isGone(session));
      t.strictSame(await keysOf(session), []);
    });

    await t.test("a room lives as long as somebody is in it", async (t) => {
      const session = randomUUID();
      const first = await student(t, url, session);
      // Each visit ends when what it left has: two lives of a room.
      for (let i = 0; i < 2; i++) {
        const other = randomUUID();
        await visit(other);
        await eventually(() => isGone(other));
      }
      t.equal((await look(session, "student")).head, first.place, "its epoch is the same");
      first.socket.terminate();
      t.equal((await post(url, session, EVENT)).status, 202);
      const back = await student(t, url, session, first.place);
      t.equal(back.place, first.place);
      await back.inbox.next(({ event }) => event === "important");
      back.socket.terminate();
      await eventually(() => isGone(session));
    });
  });
}

void t.test("what a visit leaves ends within a minute, what was published stays", async (t) => {
  const { url, client, keysOf, visit } = await open(t, "redis", {});
  if (!client) throw new Error("a client of Redis");
  const session = randomUUID();
  await visit(session);
  const keys = await keysOf(session);
  t.ok(keys.length > 0);
  for (const key of keys) {
    const ttl = await client.pTTL(key);
    t.ok(ttl > 0 && ttl <= 60_000, `${key} ends in ${String(ttl)} ms`);
  }
  const history = historyKey(roomName(session as SessionId, "student"));
  // The second one is published by a guess, and so changes no expiry.
  for (let i = 0; i < 2; i++) {
    t.equal((await post(url, session, EVENT)).status, 202);
    t.ok((await client.pTTL(history)) > 3_600_000, "an event lets the history live for hours");
  }
  const teacher = await join({ url, session, role: "teacher", kind: "plain" });
  t.teardown(() => teacher.close());
  await eventually(async () => (await client.xLen(history)) === 5);
  t.ok((await client.pTTL(history)) > 3_600_000, "an announcement makes it no shorter");
});
