import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { scrape, scrapeUntil } from "./helpers/scrape.js";

const ENV = {
  METRICS_PORT: "0",
  LEASE_MS: "2000",
  REDIS_LINK_TIMEOUT_MS: "1000",
  PRESENCE_WINDOW_MS: "0",
};
const PURPOSES = ["commands", "subscriptions"] as const;

/** Replicas that reach their Redis by a network that can be broken, and a service that reaches it by another one. */
async function open(t: Test, replicas: number, env: Readonly<Record<string, string>> = {}) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const proxy = await startTcpProxy(redis.port);
  t.teardown(() => proxy.stop());
  const cluster = await startCluster({
    replicas,
    env: { ...ENV, ...env },
    redis: { url: proxy.url },
  });
  t.teardown(() => cluster.stop());
  const emitter = await connect(redis.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const publish = (note: string) => emitter.emit(session, "important", { note, capture_url: null });
  return { redis, proxy, cluster, session, publish };
}

void t.test(
  "links to Redis: whether they work, what an answer takes, and each return",
  async (t) => {
    const { proxy, cluster } = await open(t, 1);
    const server = cluster.replica(0);
    let now = await scrapeUntil(server, (one) => one.value("redis_up") === 2);
    t.ok(now.value("redis_ping_seconds_count") > 0);
    t.equal(now.value("redis_reconnects_total"), 0, "the first connection is no return");
    for (const purpose of PURPOSES) {
      proxy.hang({ link: purpose });
      await scrapeUntil(server, (one) => one.value("redis_up", { purpose }) === 0);
      now = await scrapeUntil(server, (one) => one.value("redis_up") === 2);
      t.ok(now.value("redis_reconnects_total", { purpose }) > 0, purpose);
    }
  },
);

void t.test("gaps: filled from history, forgotten by Redis, or lost for good", async (t) => {
  const { redis, proxy, cluster, session, publish } = await open(t, 1);
  const server = cluster.replica(0);
  const client = await join({ url: server.url, session, role: "student", kind: "plain" });
  t.teardown(() => client.close());
  await publish("heard");
  await client.inbox.next(({ object }) => object["note"] === "heard");
  t.equal((await scrape(server)).value("gaps_total"), 0);
  proxy.hang({ link: "subscriptions" });
  await publish("missed");
  await client.inbox.next(({ object }) => object["note"] === "missed");
  let now = await scrape(server);
  t.equal(now.value("gaps_total", { outcome: "filled" }), 1);
  t.equal(now.value("gaps_total", { outcome: "lost" }), 0);
  t.equal(now.value("publish_to_socket_seconds_count"), 1, "history tells no date");

  const admin = createClient({ url: redis.url });
  await admin.connect();
  await scrapeUntil(server, (one) => one.value("redis_up") === 2);
  await admin.flushAll();
  const heard = await publish("heard as well");
  await client.inbox.next(({ object }) => object["note"] === "heard as well");
  now = await scrape(server);
  t.equal(now.value("gaps_total", { outcome: "forgotten" }), 1, "its members miss nothing");
  t.equal(now.value("gaps_total", { outcome: "lost" }), 0);

  proxy.hang({ link: "subscriptions" });
  await admin.flushAll();
  admin.destroy();
  await publish("of another history");
  await client.closed;
  now = await scrapeUntil(server, (one) => one.value("gaps_total", { outcome: "lost" }) > 0);
  t.equal(now.value("connections_closed_total", { reason: "history_lost" }), 1);
  const [, to] = /"reason":"history_lost".*"to":"([^"]+)"/.exec(server.output()) ?? [];
  t.equal(to, heard.offsets.student, "what the client had, not where the history stands now");
});

void t.test("a replica that was frozen claims anew, and one that died is swept", async (t) => {
  const { cluster, session } = await open(t, 2);
  const [lives, dies] = [cluster.replica(0), cluster.replica(1)];
  const student = await join({ url: lives.url, session, role: "student", kind: "plain" });
  t.teardown(() => student.close());
  const teacher = await join({ url: dies.url, session, role: "teacher", kind: "plain" });
  t.teardown(() => teacher.close());
  let now = await scrape(lives);
  for (const name of ["sweeps_total", "lease_lost_total"]) t.equal(now.value(name), 0, name);
  dies.kill("SIGKILL");
  now = await scrapeUntil(lives, (one) => one.value("sweeps_total") > 0);
  t.equal(now.value("presence_changes_total"), 1, "the teacher has gone");
  lives.pause();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  lives.resume();
  now = await scrapeUntil(lives, (one) => one.value("lease_lost_total") > 0);
});

void t.test("a rollout is no death, and neither is a restart of Redis", async (t) => {
  const { redis, cluster, session } = await open(t, 2, { HANDOVER_MS: "1000" });
  const [stays, goes] = [cluster.replica(0), cluster.replica(1)];
  const teacher = await join({ url: goes.url, session, role: "teacher", kind: "plain" });
  t.teardown(() => teacher.close());
  goes.kill("SIGTERM");
  await goes.exited;
  await scrapeUntil(stays, (one) => one.value("presence_changes_total") > 0);
  const admin = createClient({ url: redis.url });
  await admin.connect();
  await eventually(async () => (await admin.exists("inthon:leaving:{inthon:nodes}")) === 0);
  t.equal(
    (await scrape(stays)).value("sweeps_total"),
    0,
    "who did not come back has been taken out",
  );

  const [before = ""] = await admin.zRange("inthon:nodes", 0, -1);
  admin.destroy();
  const sweeps = stays.waitForLine((line) => line.includes(`"gone":"${before}"`) || undefined);
  await redis.restart();
  await sweeps;
  await scrapeUntil(stays, (one) => one.value("lease_lost_total") > 0);
  t.equal((await scrape(stays)).value("sweeps_total"), 0, "what was under its own name before");
});
