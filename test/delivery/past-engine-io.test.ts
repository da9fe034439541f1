import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect, type Emitter } from "@inthon/emitter";
import { engineConnection, startInProcess } from "../helpers/processes/app-in-process.js";
import { join, type Client, type ClientKind } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";

async function start(t: Test) {
  const app = await startInProcess(t);
  const emitter = await connect(app.url);
  t.teardown(() => emitter.close());
  /** Joins, and finds the server's end of the connection. */
  const enter = async (kind: ClientKind) => {
    const session = randomUUID();
    const known = new Set(app.sockets());
    const client = await join({ url: app.url, session, role: "student", kind });
    t.teardown(() => client.close());
    const socket = app.sockets().find((socket) => !known.has(socket));
    if (!socket) throw new Error("the server knows of no new socket");
    return { session, client, socket };
  };
  return { app, emitter, enter };
}

function say(emitter: Emitter, session: string, note: string) {
  return emitter.emit(session, "important", { note, capture_url: null });
}

function hears({ inbox }: Client, note: string) {
  return inbox.next(({ object }) => object["note"] === note);
}

void t.test(
  "an idle WebSocket gets events past Engine.IO's buffer, polling does not",
  async (t) => {
    const { app, emitter, enter } = await start(t);
    const flushed: string[] = [];
    app.engineIo.on("flush", ({ id }: { id: string }) => flushed.push(id));
    for (const kind of ["websocket", "polling"] as const) {
      const { session, client, socket } = await enter(kind);
      const { id } = engineConnection(socket);
      const before = flushed.filter((other) => other === id).length;
      await say(emitter, session, "one");
      await hears(client, "one");
      const flushes = flushed.filter((other) => other === id).length - before;
      t.equal(flushes > 0, kind === "polling", `${kind}: ${flushes} flushes of Engine.IO`);
    }
  },
);

void t.test(
  "a client that has upgraded to a WebSocket takes the fast way from then on",
  async (t) => {
    const { app, emitter, enter } = await start(t);
    const { session, client, socket } = await enter("upgrade");
    const connection = engineConnection(socket);
    if (connection.transport.name !== "websocket") {
      await new Promise((resolve) => connection.once("upgrade", resolve));
    }
    await say(emitter, session, "the first may meet the end of the upgrade");
    await hears(client, "the first may meet the end of the upgrade");
    let flushes = 0;
    app.engineIo.on("flush", () => flushes++);
    await say(emitter, session, "fast");
    await hears(client, "fast");
    t.equal(flushes, 0);
  },
);

void t.test("events go behind what waits in Engine.IO's buffer", async (t) => {
  const { emitter, enter } = await start(t);
  const { session, client, socket } = await enter("websocket");
  const connection = engineConnection(socket);
  connection.transport.writable = false;
  socket.emit("important", { event: "important", note: "waits" }, "1-1");
  t.equal(connection.writeBuffer.length, 1, "Engine.IO holds it back");
  const notes = ["first", "second", "third"];
  for (const note of notes) await say(emitter, session, note);
  t.equal(connection.writeBuffer.length, 4, "and the events behind it");
  connection.transport.writable = true;
  connection.flush();
  await hears(client, "third");
  t.strictSame(
    client.inbox.items.slice(1).map(({ object }) => object["note"]),
    ["waits", ...notes],
  );
  t.equal(connection.writeBuffer.length, 0);
});

void t.test("what a client leaves unread waits in Engine.IO, and keeps its order", async (t) => {
  const { emitter, enter } = await start(t);
  const { session, client, socket } = await enter("websocket");
  const connection = engineConnection(socket);
  const net = connection.transport.socket._socket;
  // As if the kernel took no more.
  net.cork();
  const notes = Array.from({ length: 6 }, (_, i) => String(i).repeat(60_000));
  for (const note of notes) await say(emitter, session, note);
  t.ok(connection.writeBuffer.length >= 3, "Engine.IO holds the newest back");
  t.ok(net.writableLength < 4 * 61_000, "and the socket no more than a few");
  net.uncork();
  await hears(client, notes.at(-1) ?? "");
  const heard = client.inbox.items.slice(1).map(({ object }) => object["note"]);
  t.ok(heard.join() === notes.join(), "all of it arrives, in order");
  t.equal(connection.writeBuffer.length, 0);
});

for (const kind of ["websocket", "plain", "polling", "event-stream"] as const) {
  void t.test(`listeners of onAnyOutgoing hear what goes out (${kind})`, async (t) => {
    const { emitter, enter } = await start(t);
    const { session, client, socket } = await enter(kind);
    const heard = new Inbox<readonly unknown[]>();
    socket.onAnyOutgoing((...args: readonly unknown[]) => {
      heard.add(args);
    });
    const results = await emitter.emitAll(
      session,
      ["a", "b"].map((note) => ({ event: "important", note, capture_url: null })),
    );
    await hears(client, "b");
    const told = client.inbox.items.slice(1).map(({ object }) => object);
    const offsets = results.map(({ offsets }) => offsets.student);
    t.same(
      heard.items,
      told.map((object, i) => ["important", object, offsets[i]]),
    );
  });
}
