/** An error that nobody expected, in a turn in which something is done for many, or for one whom nobody awaits. */
import { randomUUID } from "node:crypto";
import { once, type EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import type { Socket } from "socket.io";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import type { Lane } from "../../server/dist/classroom/batch.js";
import { listenOn, type Destroyable } from "../../server/dist/edge/guard.js";
import { Bodies } from "../../server/dist/edge/intake/bodies.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { rawPlain, rawSocketIo, type RawConnection } from "../helpers/clients/raw-socket-io.js";
import { eventually } from "../helpers/eventually.js";
import { engineConnection, startInProcess } from "../helpers/processes/app-in-process.js";

const DROPPED = "a connection was dropped: an error that nobody expected";
const NOTE = { note: "told", capture_url: null };

function fail(): never {
  throw new Error("nobody expected this");
}

/** Whoever comes has what `change` makes of its socket, after it has been admitted and before it is connected. */
async function start(t: Test, change: (socket: Socket, nth: number) => void = () => undefined) {
  const app = await startInProcess(t);
  let count = 0;
  app.io.use((socket, next) => {
    change(socket, count++);
    next();
  });
  const emitter = await connect(app.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const path = (of = session) => `/ws/session/${of}/student/`;
  const come = async (target: string, open = rawPlain) => {
    const client = await open(app.url, target);
    t.teardown(() => client.close());
    return client;
  };
  return { app, emitter, session, path, come };
}

function laneOf(socket: Socket): Lane {
  return (socket.data as { lane: Lane }).lane;
}

const isTold = (frame: string) => frame.includes(NOTE.note);

void t.test("as somebody joins it costs who joins", async (t) => {
  const { app, path, come } = await start(t, (socket, nth) => {
    if (nth === 1) laneOf(socket).write = fail;
  });
  const first = await come(path());
  const second = new WebSocket(`${app.url.replace("http", "ws")}${path()}`);
  second.on("error", () => undefined);
  await new Promise((resolve) => second.once("close", resolve));
  await come(path());
  t.ok(first.isOpen);
  t.equal(app.sockets().length, 2);
  t.strictSame(app.errors, [DROPPED]);
});

void t.test("as somebody is sent what it missed it costs that one", async (t) => {
  const { app, emitter, session, path, come } = await start(t, (socket, nth) => {
    if (nth === 1) Object.defineProperty(laneOf(socket), "isRead", { get: fail });
  });
  const { offsets } = await emitter.emit(session, "important", { ...NOTE, note: "first" });
  await emitter.emit(session, "important", NOTE);
  const target = `${path()}?offset=${offsets.student ?? ""}`;
  // In one turn of the event loop.
  const [first, second, third] = await Promise.all([come(target), come(target), come(target)]);
  await Promise.race([first.closed, second.closed, third.closed]);
  const rest = [first, second, third].filter(({ isOpen }) => isOpen);
  t.equal(rest.length, 2);
  await Promise.all(rest.map(({ frames }) => frames.next(isTold)));
  await emitter.emit(session, "important", { ...NOTE, note: "later" });
  await Promise.all(rest.map(({ frames }) => frames.next((frame) => frame.includes("later"))));
  t.strictSame(app.errors, [DROPPED]);
});

const isNews = ({ event }: { event: { event: string } }) => event.event === "important";

void t.test("in telling a room it costs the room, and its members resume", async (t) => {
  const { app, emitter, session, path, come } = await start(t, (socket, nth) => {
    if (nth !== 0) return;
    const lane = laneOf(socket);
    const write = lane.write.bind(lane);
    // As if it had no guard of its own: who follows it in the room is not told.
    lane.write = (batch) => {
      if (batch.events.some(isNews)) fail();
      write(batch);
    };
  });
  const members = [await come(path()), await come(path())];
  const other = randomUUID();
  const elsewhere = await come(path(other));
  const { offsets } = await emitter.emit(session, "hard_alert", { capture_url: null });
  await Promise.all([
    emitter.emit(session, "important", NOTE),
    emitter.emit(other, "important", NOTE),
  ]);
  await Promise.all(members.map(({ closed }) => closed));
  await elsewhere.frames.next(isTold);
  t.ok(elsewhere.isOpen);
  const back = await come(`${path()}?offset=${offsets.student ?? ""}`);
  await back.frames.next(isTold);
  t.strictSame(app.errors, ["a room was sent away: an error that nobody expected"], "once");
});

void t.test("as a session ends it costs the one in whose end it was", async (t) => {
  const { app, emitter, session, path, come } = await start(t, (socket, nth) => {
    if (nth === 0) socket.on("disconnect", fail);
  });
  const members = [await come(path()), await come(path()), await come(path())];
  await emitter.emit(session, "session_ended");
  const [, ...others] = await Promise.all(members.map(({ closed }) => closed));
  t.strictSame(others, [1000, 1000]);
  await eventually(() => Promise.resolve(app.sockets().length === 0));
  t.strictSame(app.errors, [DROPPED]);
});

const ways: readonly [string, (url: string, path: string) => Promise<RawConnection>][] = [
  ["plain", rawPlain],
  ["websocket", rawSocketIo],
];
for (const [name, open] of ways) {
  void t.test(`${name}: in hearing a message it costs who sent it`, async (t) => {
    const { app, path, come } = await start(t, (socket, nth) => {
      if (nth === 0) socket.conn.on("data", fail);
    });
    const first = await come(path(), open);
    const second = await come(path(), open);
    await t.rejects(first.answersPing());
    await second.answersPing();
    t.strictSame(app.errors, [DROPPED]);
  });
}

void t.test("polling: in hearing a body it costs who sent it", async (t) => {
  const { app, path } = await start(t);
  app.engineIo.on("connection", (connection: EventEmitter) => {
    connection.on("data", fail);
  });
  const polling = await openPolling(app.url, path());
  t.teardown(() => polling.raw.socket.destroy());
  await polling.postNow("40");
  await eventually(() => Promise.resolve(app.engineIo.clientsCount === 0));
  t.strictSame(app.errors, [DROPPED]);
});

void t.test("as a slow reader is cut it costs that one", async (t) => {
  const { app, path, come } = await start(t);
  const client = await come(path(), rawSocketIo);
  const connection = engineConnection(app.sockets()[0]);
  connection.on("close", fail);
  (connection as unknown as Lane).cut();
  await client.closed;
  t.strictSame(app.errors, [DROPPED]);
});

void t.test("as a body is given up it costs whose it was", async (t) => {
  const dropped: Destroyable[] = [];
  const bodies = new Bodies(1_000, (_error, connection) => dropped.push(connection));
  const follow = (onGiveUp: () => void) => {
    const request = Object.assign(new PassThrough(), { headers: {} });
    const response = new PassThrough();
    bodies.follow(
      request as unknown as IncomingMessage,
      response as unknown as ServerResponse,
      onGiveUp,
    );
    return request;
  };
  const slow = follow(fail);
  const quick = follow(() => undefined);
  slow.write("x".repeat(500));
  await eventually(() => Promise.resolve(bodies.bytes > 500));
  quick.write("x".repeat(500));
  await eventually(() => Promise.resolve(dropped.length > 0));
  t.equal(dropped[0], slow);
});

void t.test(
  "a connection that cannot be taken is lost alone, and told once in a turn",
  async (t) => {
    const dropped: unknown[] = [];
    const server = createServer();
    t.teardown(() => server.close());
    listenOn(server, (error) => dropped.push(error));
    server.emit("error", new Error("the address is in use"));
    t.strictSame(dropped, [], "that it cannot listen is for who starts it");
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const [first, second] = [new Error("accept EMFILE"), new Error("accept EMFILE")];
    for (let i = 0; i < 1_000; i++) server.emit("error", first);
    t.throws(
      () => server.emit("error", second),
      second,
      "a turn that does not end ends the process",
    );
    t.strictSame(dropped, [first]);
    await new Promise((resolve) => setImmediate(resolve));
    server.emit("error", second);
    t.strictSame(dropped, [first, second]);
  },
);

void t.test("the server listens on where it could not take one", async (t) => {
  const { app, path, come } = await start(t);
  await come(path());
  const { netSocket } = app.sockets()[0]?.conn as unknown as {
    netSocket: { server: EventEmitter };
  };
  netSocket.server.emit("error", new Error("accept EMFILE"));
  await come(path());
  t.strictSame(app.errors, [DROPPED]);
});
