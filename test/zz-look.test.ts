import { randomUUID } from "node:crypto";
import t from "tap";
import { startRedisCluster } from "./helpers/processes/redis-cluster.js";
import { startServer } from "./helpers/processes/server-process.js";
import { join } from "./helpers/clients/clients.js";
import { isServed } from "./links/helpers/hung-links.js";
import { eventually } from "./helpers/eventually.js";
import { writeFileSync } from "node:fs";
import { slotOf } from "@inthon/emitter";

void t.test("look", async (t) => {
  const cluster = await startRedisCluster(t);
  const server = await startServer({ env: { REDIS_URL: cluster.url() } });
  t.teardown(() => server.stop());
  for (let i = 0; i < 20; i++) {
    const session = randomUUID();
    for (const role of ["teacher", "student"] as const) {
      const client = await join({ url: server.url, session, role, kind: "plain" });
      t.teardown(() => client.close());
    }
  }
  const dead = await cluster.masterOf(slotOf("inthon:nodes"));
  for (const signal of ["SIGKILL"] as const) {
    await cluster.kill(dead, signal);
    await eventually(() => isServed(server.url));
    await cluster.revive(dead);
    await cluster.settled();
    await eventually(() => isServed(server.url));
  }
  const [m] = await cluster.masters();
  await cluster.failover(m!);
  await cluster.settled();
  await eventually(() => isServed(server.url));
  await new Promise((r) => setTimeout(r, 3000));
  writeFileSync("/tmp/hc/look.log", server.output());
});
