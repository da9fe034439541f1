import { randomUUID } from "node:crypto";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import t from "tap";
import { connect } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";

void t.test("an event of a stock emitter keeps its place among ours", async (t) => {
  const cluster = await startCluster({ replicas: 1 });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  // Ours and the stock one publish on the same connection, so that Redis has them in this order.
  const emitter = await connect(redis);
  t.teardown(() => emitter.close());
  const stock = new StockEmitter(redis);
  const replica = cluster.replica(0);
  const session = randomUUID();
  const clients = await Promise.all(
    CLIENT_KINDS.map((kind) => join({ url: replica.url, session, role: "student", kind })),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const room = `session_${session}_student`;
  const ours = (note: string) => emitter.emit(session, "important", { note, capture_url: null });
  const theirs = async (to: string[], note: string) => {
    (to.length > 0 ? stock.to(to) : stock).emit("custom", { event: "custom", note });
    // It does not say when it has published.
    await redis.ping();
  };

  // While the replica sleeps all of it comes, and it wakes to find everything in one turn.
  replica.pause();
  await ours("1");
  await theirs([room], "2, stock");
  await ours("3");
  await ours("4");
  await theirs([room, "elsewhere"], "5, stock, to two rooms");
  await ours("6");
  await theirs([], "7, stock, to all");
  await theirs([room], "8, stock");
  await ours("9");
  replica.resume();

  for (const { inbox, kind } of clients) {
    await inbox.next(({ object }) => object["note"] === "9");
    const notes = inbox.items.slice(1).map(({ object }) => object["note"]);
    const expected = [
      ...["1", "2, stock", "3", "4", "5, stock, to two rooms"],
      ...["6", "7, stock, to all", "8, stock", "9"],
    ];
    // To all and to two rooms go over a channel of its own: on one connection of Redis in order too.
    t.strictSame(notes, expected, kind);
  }
});
