import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join as joinPath } from "node:path";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { onPort } from "../helpers/processes/ports.js";
import { Launched } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { metricsUrl } from "./helpers/scrape.js";

/** Debian's own, which comes with `promtool`. Scrapes each second, and keeps nothing. */
async function startPrometheus(t: Test, targets: readonly string[]): Promise<string> {
  const program = joinPath(dirname(await ensureTool("promtool")), "prometheus");
  const dir = await mkdtemp(joinPath(tmpdir(), "prometheus-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const config = joinPath(dir, "prometheus.yml");
  const job = { job_name: "inthon-server", static_configs: [{ targets }] };
  // JSON is YAML.
  const text = JSON.stringify({ global: { scrape_interval: "1s" }, scrape_configs: [job] });
  await writeFile(config, text);
  return onPort(undefined, async (port) => {
    const address = `127.0.0.1:${String(port)}`;
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${dir}/data`];
    const running = await Launched.start(program, [...args, `--web.listen-address=${address}`]);
    t.teardown(() => running.stop());
    await running.waitForLine(
      (line) => line.includes("ready to receive web requests") || undefined,
    );
    return `http://${address}`;
  });
}

void t.test("Prometheus scrapes three replicas, and adds up what each has counted", async (t) => {
  const cluster = await startCluster({ replicas: 3, env: { METRICS_PORT: "0" } });
  t.teardown(() => cluster.stop());
  const targets = cluster.replicas.map((replica) => new URL(metricsUrl(replica)).host);
  const prometheus = await startPrometheus(t, targets);
  const ask = async (query: string): Promise<number | undefined> => {
    const url = `${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`;
    const { data } = (await (await fetch(url)).json()) as {
      data: { result: { value: [number, string] }[] };
    };
    const [first] = data.result;
    return first && Number(first.value[1]);
  };
  const becomes = (query: string, value: number) =>
    eventually(async () => (await ask(query)) === value);

  const session = randomUUID();
  const clients = await Promise.all(
    cluster.replicas.map(({ url }) => join({ url, session, role: "student", kind: "websocket" })),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  await emitter.emit(session, "important", { note: "", capture_url: null });

  await becomes('sum(up{job="inthon-server"})', 3);
  await becomes('sum(inthon_connections{protocol="websocket",role="student"})', 3);
  await becomes('sum(inthon_deliveries_total{protocol="websocket"})', 3);
  await becomes('sum(inthon_publish_to_socket_seconds_count{event="important"})', 3);
  await becomes("sum(inthon_redis_up)", 6);
  await becomes("count(inthon_build_info)", 3);
  const lag = "sum by (le) (inthon_publish_to_socket_seconds_bucket)";
  const p99 = await ask(`histogram_quantile(0.99, ${lag})`);
  t.ok(p99 !== undefined && p99 > 0 && p99 <= 30, `p99 ${String(p99)} s`);
});
