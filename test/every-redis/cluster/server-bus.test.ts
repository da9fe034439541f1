import { randomUUID } from "node:crypto";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import t from "tap";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startServers } from "../helpers/class.js";

void t.test("what a stock emitter tells all is heard, by whichever node it goes", async (t) => {
  const cluster = await startRedisCluster(t, { replicas: 0 });
  const servers = await startServers(t, cluster.url());
  const clients = await Promise.all(
    servers.map(({ url }) =>
      join({ url, session: randomUUID(), role: "student", kind: "websocket" }),
    ),
  );
  for (const client of clients) t.teardown(() => client.close());
  const subscribers = async () => {
    const found = cluster.nodes.map(({ ask }) => ask("PUBSUB", "NUMSUB", "socket.io#/#"));
    const counts = (await Promise.all(found)) as unknown as readonly [string, number][];
    return counts.reduce((sum, [, count]) => sum + count, 0);
  };
  await eventually(async () => (await subscribers()) === servers.length);
  for (const [i, { redis }] of cluster.nodes.entries()) {
    const client = createClient({ url: redis.url });
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    new StockEmitter(client).emit("to all", i);
    for (const { inbox } of clients) {
      await inbox.next(({ event }) => event === "to all");
    }
  }
  // And where the node that was listened to goes.
  for (const { ask } of cluster.nodes) await ask("CLIENT", "KILL", "TYPE", "pubsub");
  await eventually(async () => (await subscribers()) === servers.length);
});
