/** A URL that names another kind of Redis than it leads to, or a user that it does not take: told as such, and not as one that is away. */
import { randomUUID } from "node:crypto";
import { connect } from "@inthon/emitter";
import t, { type Test } from "tap";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startRedisCluster } from "../helpers/processes/redis-cluster.js";
import { startServer } from "../helpers/processes/server-process.js";

/** What `/readyz` says of a server with that URL, when the log has said it, too. */
async function toldOf(t: Test, url: string) {
  const server = await startServer({ env: { REDIS_URL: url } });
  t.teardown(() => server.stop());
  let problem: unknown;
  await eventually(async () => {
    const answer = await fetch(`${server.url}/readyz`);
    problem = await answer.json();
    return (problem as { code?: string }).code !== "unavailable";
  });
  const { code } = problem as { code: string };
  await eventually(() => Promise.resolve(server.output().includes(`"code":"${code}"`)));
  return problem;
}

void t.test("a node of a cluster is no Redis on its own", async (t) => {
  const cluster = await startRedisCluster(t, { replicas: 0 });
  // Whichever of them has the slots of what is tried.
  for (const { redis } of cluster.nodes) {
    t.match(await toldOf(t, redis.url), {
      status: 503,
      code: "redis_other_kind",
      detail: /redis\+cluster:/,
    });
  }
  const emitter = await connect(cluster.nodes[0]?.redis.url ?? "");
  t.teardown(() => emitter.close());
  // In rooms of one node, some are another one's.
  const refused = Array.from({ length: 20 }, async () => {
    const call = emitter.emit(randomUUID(), "important", { note: "x", capture_url: null });
    return call.then(
      () => undefined,
      (error: unknown) => error,
    );
  });
  const faults = (await Promise.all(refused)).filter((fault) => fault !== undefined);
  t.ok(faults.length > 0);
  for (const fault of faults) t.match(fault, { code: "rejected", message: /redis\+cluster:/ });
});

void t.test("a Redis on its own is no cluster, and no Sentinel", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const place = new URL(redis.url).host;
  t.match(await toldOf(t, `redis+cluster://${place}`), {
    status: 503,
    code: "redis_other_kind",
    detail: /no Redis Cluster.* redis:/,
  });
  t.match(await toldOf(t, `redis+sentinel://${place}/primary`), {
    status: 503,
    code: "redis_other_kind",
    detail: /no Sentinel.* redis:/,
  });
  for (const [url, message] of [
    [`redis+cluster://${place}`, /no Redis Cluster: begin its URL with redis:/],
    [`redis+sentinel://${place}/primary`, /no Sentinel: .* begin its URL with redis:/],
  ] as const) {
    const began = performance.now();
    const connecting = connect(url, { connectTimeoutMs: 20_000 });
    await t.rejects(connecting, { code: "rejected", retryable: false, message });
    t.ok(performance.now() - began < 15_000, "at once");
  }
});

void t.test("what speaks HTTP is no Redis", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const url = `redis://${new URL(server.url).host}`;
  t.match(await toldOf(t, url), {
    status: 503,
    code: "redis_other_kind",
    detail: /that is HTTP, and no Redis/,
  });
  const short = { connectTimeoutMs: 2_000 };
  await t.rejects(connect(url, short), { code: "unavailable", message: /that is HTTP/ });
});

void t.test("who is not let into a cluster is told so", async (t) => {
  const cluster = await startRedisCluster(t, { masters: 1, replicas: 0 });
  const { host } = new URL(cluster.nodes[0]?.redis.url ?? "");
  const url = `redis+cluster://nobody:wrong@${host}`;
  t.match(await toldOf(t, url), { status: 503, code: "redis_denies_access" });
});
