import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { eventually } from "../helpers/eventually.js";

void t.test("stock parts on the same Redis", async (t) => {
  const cluster = await startCluster({ replicas: 2 });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());

  await t.test("an event of the stock emitter arrives, and disturbs no offset", async (t) => {
    const session = randomUUID();
    const room = `session_${session}_student`;
    const clients = await Promise.all(
      CLIENT_KINDS.flatMap((kind) =>
        cluster.replicas.map(({ url }) => join({ url, session, role: "student", kind })),
      ),
    );
    t.teardown(() => Promise.all(clients.map((client) => client.close())));
    const stock = new StockEmitter(redis);
    const publish = (note: string) =>
      emitter.emit(session, "important", { note, capture_url: null });

    const first = await publish("first");
    stock.to(room).emit("custom", { event: "custom", by: "stock" });
    stock.to([room, "elsewhere"]).emit("custom", { event: "custom", by: "stock, to two rooms" });
    stock.emit("custom", { event: "custom", by: "stock, to all" });
    stock.to(`session_${session}_teacher`).emit("custom", { event: "custom", by: "nobody" });
    for (const { inbox } of clients) {
      await inbox.until((items) => items.filter(({ event }) => event === "custom").length === 3);
    }
    const second = await publish("second");

    t.equal(placeOf(second.offsets.student) - placeOf(first.offsets.student), 1);
    for (const { inbox, kind } of clients) {
      await inbox.next(({ object }) => object["note"] === "second");
      const by = inbox.items.map(({ object }) => object["by"] ?? object["note"]).slice(1);
      t.same(by.sort(), ["first", "second", "stock", "stock, to all", "stock, to two rooms"], kind);
    }
  });

  await t.test("an event of our emitter is what a stock adapter reads", async (t) => {
    const session = randomUUID();
    const messages: Buffer[] = [];
    const subscriber = await redis.duplicate().connect();
    t.teardown(() => {
      subscriber.destroy();
    });
    await subscriber.pSubscribe("socket.io#/#session_*", (message) => messages.push(message), true);
    const { offsets } = await emitter.emit(session, "important", { note: "n", capture_url: null });
    await eventually(() => Promise.resolve(messages.length > 0));
    const { default: msgpack } = await import("notepack.io");
    const [uid, packet, options] = msgpack.decode(messages[0] ?? Buffer.of()) as [
      unknown,
      { data: [string, { event: string }, string]; type: number; nsp: string },
      { rooms: string[] },
    ];
    t.equal(uid, "emitter");
    t.match(packet, {
      type: 2,
      nsp: "/",
      data: ["important", { event: "important" }, offsets.student],
    });
    t.strictSame(options.rooms, [`session_${session}_student`]);
  });

  await t.test(
    "a stock server tells its clients our events, and nothing of what goes beside them",
    async (t) => {
      const session = randomUUID();
      const subscriber = redis.duplicate();
      await subscriber.connect();
      // The stock adapter does not wait for what it asks for when it closes.
      t.teardown(() => subscriber.close());
      const http = createServer().listen(0, "127.0.0.1");
      await once(http, "listening");
      const stock = new Server(http, { adapter: createAdapter(redis, subscriber) });
      t.teardown(() => stock.close());
      stock.on("connection", (socket) => {
        void socket.join(`session_${session}_student`);
        socket.emit("joined");
      });
      const { port } = http.address() as AddressInfo;
      const client = io(`http://127.0.0.1:${String(port)}`, { transports: ["websocket"] });
      t.teardown(() => {
        client.close();
      });
      await new Promise<void>((resolve) => {
        client.once("joined", resolve);
      });
      const packet = new Promise<unknown>((resolve) => {
        client.io.engine.on("packet", ({ data }: { data?: unknown }) => {
          resolve(data);
        });
      });
      const event = { note: "n", capture_url: null, created_at: "2026-01-01T00:00:00Z" };
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      const { offsets } = await emitter.emit(session, "important", event, { traceparent });
      const json = JSON.stringify({ event: "important", ...event });
      t.equal(await packet, `2["important",${json},"${String(offsets.student)}"]`);
    },
  );

  await t.test("a replica subscribes to the rooms that it holds, and to no other", async (t) => {
    const session = randomUUID();
    const channel = `socket.io#/#session_${session}_student#`;
    const subscribers = async () => (await redis.pubSubNumSub([channel]))[channel] ?? 0;
    t.equal(await subscribers(), 0);
    const [first, second] = await Promise.all(
      cluster.replicas.map(({ url }) => join({ url, session, role: "student", kind: "plain" })),
    );
    t.equal(await subscribers(), 2);
    t.equal(await redis.pubSubNumPat(), 0, "no pattern brings other rooms");
    await first?.close();
    await second?.close();
    await eventually(async () => (await subscribers()) === 0);
  });

  await junkIsIgnored(t);

  /** Whoever can write to Redis can send anything; a replica must not die of it. */
  function junkIsIgnored(t: Test) {
    return t.test("junk on the channels harms nobody", async (t) => {
      const session = randomUUID();
      const channel = `socket.io#/#session_${session}_student#`;
      const url = cluster.replica(0).url;
      const client = await join({ url, session, role: "student", kind: "plain" });
      t.teardown(() => client.close());
      // The last three are MessagePack: nil, [nil, nil, nil], and a request for sockets without its options.
      const junk = ["", "junk", "{", "{}", '{"type":5}', "null", "[]", "\xc0", "\x93\xc0\xc0\xc0"]
        .map((text) => Buffer.from(text, "latin1"))
        .concat(Buffer.from([0x81, 0xa4, ...Buffer.from("type"), 5]));
      const channels = [channel, "socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"];
      for (const message of junk) {
        for (const to of channels) await redis.publish(to, message);
      }
      await emitter.emit(session, "important", { note: "still here", capture_url: null });
      await client.inbox.next(({ object }) => object["note"] === "still here");
      t.equal(client.inbox.items.length, 2, "connected and the one event");
      for (const { url } of cluster.replicas) t.equal((await fetch(`${url}/readyz`)).status, 200);
    });
  }
});

function placeOf(offset: string | undefined): number {
  return Number(offset?.split("-")[1]);
}
