import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startPrometheus } from "../helpers/processes/prometheus.js";
import { metricsUrl } from "./helpers/scrape.js";

void t.test("Prometheus scrapes three replicas, and adds up what each has counted", async (t) => {
  const cluster = await startCluster({ replicas: 3, env: { METRICS_PORT: "0" } });
  t.teardown(() => cluster.stop());
  const targets = cluster.replicas.map((replica) => {
    return { target: new URL(metricsUrl(replica)).host };
  });
  const prometheus = await startPrometheus({ targets });
  t.teardown(() => prometheus.stop());
  const becomes = (query: string, value: number) =>
    eventually(async () => (await prometheus.ask(query)) === value);

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
  const p99 = await prometheus.ask(`histogram_quantile(0.99, ${lag})`);
  t.ok(p99 !== undefined && p99 > 0 && p99 <= 30, `p99 ${String(p99)} s`);
});
