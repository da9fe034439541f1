import { once } from "node:events";
import { createClient } from "redis";
import t from "tap";
import { WebSocket } from "ws";
import { startCluster } from "../helpers/processes/cluster.js";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { eventually } from "../helpers/eventually.js";

const TEACHERS = 2_000;
const RENEWALS = 5;
const JOINING_AT_ONCE = 200;

void t.test(`a lease costs the same with ${String(TEACHERS)} teachers as with none`, async (t) => {
  const cluster = await startCluster({ replicas: 1, env: { LEASE_MS: "3000" } });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const { url } = cluster.replica(0);

  const idle = await costOfRenewals(redis);
  const sockets: WebSocket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.terminate();
  });
  while (sockets.length < TEACHERS) {
    const batch = Array.from({ length: JOINING_AT_ONCE }, async (_, i) => {
      const session = `lecture-${String(sockets.length + i)}`;
      const socket = new WebSocket(`${url.replace("http", "ws")}/ws/session/${session}/teacher/`);
      await once(socket, "message");
      return socket;
    });
    sockets.push(...(await Promise.all(batch)));
  }
  // The counts of the last ones are told a little later.
  await eventually(async () => {
    const answer = await fetch(`${url}/sessions/lecture-${String(TEACHERS - 1)}`);
    return (await answer.text()).includes('"teacher":1');
  });
  const full = await costOfRenewals(redis);

  const total = (cost: Map<string, number>) => [...cost.values()].reduce((a, b) => a + b, 0);
  const perRenewal = (cost: Map<string, number>) => (total(cost) / RENEWALS).toFixed(1);
  t.comment(
    `commands for each renewal: ${perRenewal(idle)} with none, ${perRenewal(full)} with ${String(TEACHERS)}`,
  );
  // A renewal more or less may fall into the time it was watched.
  t.ok(total(full) <= total(idle) * (1 + 2 / RENEWALS), JSON.stringify([...full]));
});

type Redis = Parameters<typeof commandCounts>[0];

/** What a replica asks of Redis while nobody comes or goes, during some renewals. */
async function costOfRenewals(redis: Redis): Promise<Map<string, number>> {
  const before = await commandCounts(redis);
  let cost = new Map<string, number>();
  await eventually(async () => {
    cost = commandsBetween(before, await commandCounts(redis));
    return (cost.get("zadd") ?? 0) >= RENEWALS;
  });
  cost.delete("info");
  return cost;
}
