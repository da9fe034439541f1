import t from "tap";
import { startCluster } from "../helpers/processes/cluster.js";
import { startServer } from "../helpers/processes/server-process.js";
import { metricsUrl, scrape, scrapeUntil, type Metric } from "./helpers/scrape.js";
import { readDocuments } from "../helpers/documents.js";

/** Each row of the README's table: the metric's name, and its labels. */
async function tableOfReadme(): Promise<ReadonlyMap<string, string>> {
  const readme = await readDocuments();
  const rows = readme.matchAll(/^\| `(inthon_\w+)` +\| ([^|]*)\| ([^|]*)\|$/gm);
  return new Map(
    [...rows].map(([, name = "", labels = "", tells = ""]) => {
      const list = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label);
      return [name, `${list.join(" ")}${tells.startsWith("histogram:") ? " (histogram)" : ""}`];
    }),
  );
}

/** Of other Redis than one alone: `test/kubernetes/metrics.test.ts` has them. */
const OF_OTHER_REDIS = { inthon_sentinel_up: "sentinel", inthon_redis_slots: "state" };

function rowOf({ type, samples }: Metric): string {
  const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
  labels.delete("le");
  return `${[...labels].join(" ")}${type === "histogram" ? " (histogram)" : ""}`;
}

void t.test("the README's table has each metric with its labels, and no other", async (t) => {
  const cluster = await startCluster({
    replicas: 1,
    env: { METRICS_PORT: "0", CANARY_URL: "http://127.0.0.1:9" },
  });
  t.teardown(() => cluster.stop());
  const { metrics } = await scrape(cluster.replica(0));
  const ours = [...metrics].filter(([name]) => name.startsWith("inthon_"));
  t.strictSame(
    {
      ...Object.fromEntries(ours.map(([name, metric]) => [name, rowOf(metric)])),
      ...OF_OTHER_REDIS,
    },
    Object.fromEntries(await tableOfReadme()),
  );
  for (const [name, { type }] of ours) {
    t.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
  }
  for (const name of ["process_cpu_seconds_total", "nodejs_eventloop_lag_seconds"]) {
    t.ok(metrics.has(name), name);
  }
});

void t.test("metrics have a port of their own, on the address of the rest", async (t) => {
  const server = await startServer({ env: { METRICS_PORT: "0" } });
  t.teardown(() => server.stop());
  const url = metricsUrl(server);
  t.equal(new URL(url).hostname, "127.0.0.1");
  t.equal(
    (await fetch(`${server.url}/metrics`)).status,
    404,
    "nobody reads them where clients come",
  );
  t.match((await fetch(url)).headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  t.equal((await fetch(new URL("/healthz", url))).status, 404);
  t.equal((await fetch(url, { method: "POST", body: "x" })).status, 405);
});

void t.test("without METRICS_PORT there are none", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  t.throws(() => metricsUrl(server));
  t.equal((await fetch(`${server.url}/metrics`)).status, 404);
});

void t.test("whatever strangers send, they make no new series", async (t) => {
  const server = await startServer({ env: { METRICS_PORT: "0" } });
  t.teardown(() => server.stop());
  const seriesIn = ({ metrics }: Awaited<ReturnType<typeof scrape>>) =>
    [...metrics.values()]
      .flatMap(({ samples }) => samples)
      .filter(({ name }) => name.startsWith("inthon_"))
      .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
  const before = seriesIn(await scrape(server));
  const evil = 'x"} 1\ninthon_evil{a="';
  const post = (body: unknown) =>
    fetch(`${server.url}/sessions/${"s".repeat(20)}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "evil" },
      body: JSON.stringify(body),
    });
  for (const event of [evil, "__proto__", "constructor", "connected", "unknown"]) {
    t.equal((await post({ event })).status, 400, event);
  }
  for (const path of [
    `/ws/session/a/${encodeURIComponent(evil)}/?EIO=4&transport=polling`,
    `/ws/session/a/student/?EIO=4&transport=${encodeURIComponent(evil)}`,
    `/socket.io/?EIO=4&transport=polling&role=${encodeURIComponent(evil)}`,
  ]) {
    await fetch(server.url + path);
  }
  const after = await scrapeUntil(
    server,
    (now) => now.value("events_published_total", { event: "unknown", outcome: "invalid" }) === 5,
  );
  t.strictSame(seriesIn(after), before);
});
