/**
 * All that is promised, in short, on each kind of Redis: over TLS with certificates of clients, by users who may do what the README
 * lets them. In full, on one kind: `npm test -- --redis KIND`, with `--secure` as here.
 */
import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import t, { type Test } from "tap";
import { connect, type Emitter } from "@inthon/emitter";
import { EVENT_NAMES, ROLES, type Role } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join, type Client } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startDeployment, type Deployment } from "../helpers/deployments/deployment.js";
import { REDIS_KINDS } from "../helpers/deployments/kinds.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { ROWS, SESSION_ENDED } from "../helpers/samples/contract.js";
import { isServed } from "../links/helpers/hung-links.js";
import { EmptyProject } from "../publish/helpers/package.js";
import { publishPacked } from "./helpers/packed-publisher.js";

t.setTimeout(300_000);

const say = (note: string) => ({ note, capture_url: null });

void t.test("what is promised, on each kind of Redis that lets nobody else in", async (t) => {
  const project = await EmptyProject.create();
  t.teardown(() => project.remove());
  for (const kind of REDIS_KINDS) {
    await t.test(kind, async (t) => {
      const redis = await startDeployment({ kind, isSecured: true });
      t.teardown(() => redis.stop());
      const servers = await Promise.all([redis, redis].map(({ env }) => startServer({ env })));
      for (const server of servers) {
        t.teardown(() => server.stop());
        await eventually(() => isServed(server.url));
      }
      const { tls } = redis;
      const emitter = await connect(redis.emitterUrl, { ...(tls && { tls }) });
      t.teardown(() => emitter.close());
      await everyEventIsHeard(t, project, redis, servers);
      await presenceIsTrue(t, redis, servers, emitter);
      await whoComesBackResumes(t, servers, emitter);
      t.strictSame(await redis.denied(), [], "nobody was denied anything, at any node");
      await strangersAreRefused(t, redis);
    });
  }
});

/** By the packed emitter, on a URL and on a client that it is given, and by HTTP; to every kind of client, on every replica. */
async function everyEventIsHeard(
  t: Test,
  project: EmptyProject,
  redis: Deployment,
  servers: readonly ServerProcess[],
) {
  const session = randomUUID();
  const clients: Client[] = [];
  // Teachers first, so that their presence is told before anything is published.
  for (const role of ROLES) {
    const joining = servers.flatMap(({ url }) =>
      CLIENT_KINDS.map((kind) => join({ url, session, role, kind })),
    );
    clients.push(...(await Promise.all(joining)));
  }
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const byHttp = ROWS.filter((row) => row.publish.event === "new_question");
  for (const { publish } of byHttp) {
    t.equal((await post(servers[1]?.url ?? "", session, publish)).status, 202);
  }
  const rounds = [ROWS, [...ROWS, SESSION_ENDED]];
  const { code, stderr, told } = await publishPacked(
    project,
    redis,
    session,
    rounds.map((rows) => rows.map(({ publish }) => publish)),
  );
  t.strictSame({ code, stderr }, { code: 0, stderr: "" }, "the packed emitter has published");
  const rows = rounds.flat();
  t.strictSame(new Set(rows.map(({ publish }) => publish.event)), new Set(EVENT_NAMES));
  const expected = rows.map(({ publish: { event }, audience }) => ({
    event,
    roles: audience,
    duplicate: false,
  }));
  t.strictSame(told, expected);
  const published = [...byHttp, ...rows];
  for (const { kind, role, inbox, closed } of clients) {
    await inbox.next(({ event }) => event === "session_ended");
    const received = inbox.items.map(({ json }) => json).slice(1);
    const audience = published.filter((row) => row.audience.includes(role));
    t.strictSame(
      received,
      audience.map(({ json }) => json),
      `${kind} ${role}`,
    );
    await closed;
  }
}

async function presenceIsTrue(
  t: Test,
  redis: Deployment,
  [first, second]: readonly ServerProcess[],
  emitter: Emitter,
) {
  const session = randomUUID();
  const key = `session:${session}:teachers`;
  const hasTeachers = (count: number) =>
    eventually(async () => (await redis.at(key).sCard(key)) === count);
  const enter = async (server: ServerProcess | undefined, role: Role) => {
    const client = await join({ url: server?.url ?? "", session, role, kind: "plain" });
    t.teardown(() => client.close());
    return client;
  };
  const student = await enter(second, "student");
  const teachers = [await enter(first, "teacher"), await enter(second, "teacher")];
  await hasTeachers(2);
  const late = await enter(first, "student");
  t.equal((await late.connected).teacher_online, true);
  for (const teacher of teachers) await teacher.close();
  await hasTeachers(0);
  await student.inbox.next(({ object }) => object["is_online"] === false);
  await emitter.emit(session, "important", say("last"));
  await student.inbox.next(({ object }) => object["note"] === "last");
  const told = student.inbox.items.map(({ object }) => object["is_online"]);
  t.strictSame(told, [undefined, true, false, undefined], "each change is told once");
  const answer = await fetch(`${first?.url ?? ""}/sessions/${session}`);
  t.match(await answer.json(), { teacher_online: false, connections: { teacher: 0, student: 2 } });
}

async function whoComesBackResumes(
  t: Test,
  [first, second]: readonly ServerProcess[],
  emitter: Emitter,
) {
  const session = randomUUID();
  const open = (server: ServerProcess | undefined, offset: string) => {
    const base = server?.url.replace("http", "ws") ?? "";
    const socket = new WebSocket(`${base}/ws/session/${session}/student/?offset=${offset}`);
    t.teardown(() => {
      socket.terminate();
    });
    const frames = new Inbox<Record<string, string>>();
    socket.on("message", (data) => {
      frames.add(JSON.parse((data as Buffer).toString()) as Record<string, string>);
    });
    return { socket, frames };
  };
  const before = open(first, "");
  await before.frames.next(({ event }) => event === "connected");
  await emitter.emit(session, "important", say("seen"));
  const { offset = "" } = await before.frames.next(({ note }) => note === "seen");
  before.socket.terminate();
  const given = { idempotencyKey: "once" };
  const once = await emitter.emit(session, "important", say("missed"), given);
  const again = await emitter.emit(session, "important", say("missed"), given);
  t.strictSame(again, { ...once, duplicate: true });
  const after = open(second, offset);
  await after.frames.next(({ note }) => note === "missed");
  await emitter.emit(session, "important", say("live"));
  await after.frames.next(({ note }) => note === "live");
  t.equal(after.frames.items[0]?.["offset"], offset, "it goes on where it was");
  const heard = after.frames.items.map(({ event, note }) => note ?? event);
  t.strictSame(heard, ["connected", "missed", "live"]);
}

async function strangersAreRefused(t: Test, redis: Deployment) {
  const { kind, emitterUrl, tls = {} } = redis;
  const SOON = { connectTimeoutMs: 500 };
  const { ca } = tls;
  await t.rejects(connect(emitterUrl.replace("change-me", "wrong"), { tls, ...SOON }), {
    // One Sentinel alone may know less than another.
    code: kind === "sentinel" ? "unavailable" : "rejected",
    message: /WRONGPASS/,
  });
  await t.rejects(connect(emitterUrl, { ...(ca && { tls: { ca } }), ...SOON }), {
    code: "unavailable",
  });
  if (kind !== "cluster") return;
  await redis.everywhere(..."ACL SETUSER nobody on >change-me ~* &* +@all -cluster".split(" "));
  const refused = connect(emitterUrl.replace("emitter:", "nobody:"), { tls });
  await t.rejects(refused, { code: "rejected", message: /NOPERM/ });
}
