import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { connect } from "@inthon/emitter";
import { WebSocket } from "ws";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";

const ROOMS = 60;
/** A little longer than the server keeps a room that nobody is in. */
const LET_GO_AFTER_MS = 5_500;

void t.test(
  `${ROOMS} rooms that are let go and joined again while Redis hangs are heard`,
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const proxy = await startTcpProxy(redis.port);
    t.teardown(() => proxy.stop());
    const server = await startServer({ env: { REDIS_URL: proxy.url } });
    t.teardown(() => server.stop());
    const { url } = server;
    await eventually(async () => (await fetch(`${url}/readyz`)).ok);
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());

    const sessions = Array.from({ length: ROOMS }, (_, i) => `lecture-${i}`);
    const students: Student[] = [];
    t.teardown(() => {
      for (const { socket } of students) socket.terminate();
    });
    const joinAll = () => {
      const joined = sessions.map((session) => studentOf(url, session));
      students.push(...joined);
      return joined;
    };

    const before = joinAll();
    await Promise.all(before.map(({ connected }) => connected));
    for (const { socket } of before) socket.terminate();
    // It hangs when the server has them let go, and until all of them are wanted again.
    await delay(LET_GO_AFTER_MS - 2_000);
    proxy.hang({ link: "subscriptions", directions: ["requests"] });
    await delay(2_000);
    const after = joinAll();
    await Promise.all(after.map(({ socket }) => once(socket, "open")));
    proxy.cut();
    await Promise.all(after.map(({ connected }) => connected));

    for (const session of sessions) {
      await emitter.emit(session, "important", { note: session, capture_url: null });
    }
    await eventually(() => Promise.resolve(after.every(({ notes }) => notes.length > 0))).catch(
      () => undefined,
    );
    const deaf = after.filter(({ notes }) => notes.length === 0);
    t.equal(deaf.length, 0, `${deaf.length} of ${ROOMS} rooms are deaf`);
    t.ok(
      after.every(({ notes, session }) => notes.join() === session),
      "each heard its own, once",
    );

    const admin = await adminOf(t, redis);
    for (const { socket } of after) socket.terminate();
    await eventually(async () => {
      const channels = await admin.sendCommand<string[]>(["PUBSUB", "CHANNELS", "*lecture-*"]);
      return channels.length === 0;
    });
    t.pass("and when nobody is in, nothing is subscribed to");
  },
);

void t.test(
  "what is published while Redis refuses a room's subscription is told when it takes it, without anything that follows",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const proxy = await startTcpProxy(redis.port);
    t.teardown(() => proxy.stop());
    const lines: string[] = [];
    const server = await startServer({
      env: { REDIS_URL: proxy.url },
      onLine: (line) => lines.push(line),
    });
    t.teardown(() => server.stop());
    await eventually(async () => (await fetch(`${server.url}/readyz`)).ok);
    const [emitter, admin] = await Promise.all([connect(redis.url), adminOf(t, redis)]);
    t.teardown(() => emitter.close());
    const student = studentOf(server.url, "lecture");
    t.teardown(() => {
      student.socket.terminate();
    });
    await student.connected;

    await admin.sendCommand(["ACL", "SETUSER", "default", "-subscribe"]);
    proxy.cut();
    await eventually(() => Promise.resolve(lines.some((line) => line.includes("Redis is back"))));
    // By then it has read what there was.
    await delay(500);
    await emitter.emit("lecture", "important", { note: "between", capture_url: null });
    await admin.sendCommand(["ACL", "SETUSER", "default", "+subscribe"]);

    await eventually(() => Promise.resolve(student.notes.length > 0));
    t.same(student.notes, ["between"]);
  },
);

interface Student {
  readonly session: string;
  readonly socket: WebSocket;
  readonly connected: Promise<unknown>;
  readonly notes: string[];
}

function studentOf(url: string, session: string): Student {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws/session/${session}/student/`);
  socket.on("error", () => undefined);
  const notes: string[] = [];
  const connected = once(socket, "message");
  socket.on("message", (data: Buffer) => {
    const { note } = JSON.parse(data.toString()) as { note?: string };
    if (note !== undefined) notes.push(note);
  });
  return { session, socket, connected, notes };
}
