import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { ConfigMap } from "kubernetes-models/v1";
import t from "tap";
import { startSentinels, urlOf } from "../helpers/topologies/sentinels.js";
import { eventually } from "../helpers/eventually.js";
import { startRedisCluster } from "../helpers/processes/redis-cluster.js";
import { isServed } from "../links/helpers/hung-links.js";
import { metricsUrl } from "../telemetry/helpers/scrape.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { named, render } from "./helpers/manifests.js";
import { groupsIn, usesIn } from "./helpers/queries.js";
import { type Labels, readScrape } from "./helpers/scrape.js";
import { SERVER } from "./helpers/workload.js";

const manifests = await render("k8s/components/monitoring");

/** What Prometheus adds to each series, or where several clusters have one, and a histogram to its buckets. */
const ADDED = ["cluster", "namespace", "pod", "job", "le"];

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

function panels(): readonly Panel[] {
  const { data } = named(manifests.filter(ConfigMap.is), "inthon-dashboard");
  const dashboard = JSON.parse(data?.["inthon.json"] ?? "{}") as { panels?: readonly Panel[] };
  return (dashboard.panels ?? []).filter(({ type }) => type !== "row");
}

/** Each query, with where it is. */
function queries(): readonly (readonly [string, string])[] {
  const groups = named(manifests.filter(PrometheusRule.is), SERVER).spec.groups ?? [];
  return [
    ...groups
      .flatMap((it) => it.rules ?? [])
      .map((it) => [it.alert ?? "", String(it.expr)] as const),
    ...panels().flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [title, expr] as const),
    ),
  ];
}

await t.test(
  "every metric, label and value in a rule or a panel is one that the server has",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const sentinels = await startSentinels(t, redis.port, { count: 1, replicas: 0 });
    const masters = await startRedisCluster(t, { masters: 1, replicas: 0 });
    // Nobody answers the canary there: what it counts is there all the same.
    const texts = [urlOf(sentinels), masters.url()].map(async (url) => {
      const env = { REDIS_URL: url, METRICS_PORT: "0", CANARY_URL: "http://127.0.0.1:9" };
      const replica = await startServer({ env });
      t.teardown(() => replica.stop());
      // Which masters there are it is told first.
      await eventually(() => isServed(replica.url));
      return (await fetch(metricsUrl(replica))).text();
    });
    const metrics = readScrape((await Promise.all(texts)).join("\n"));

    const used = new Set<string>();
    const labelsOf = (name: string): Labels | undefined => {
      const whole = name.replace(/_(bucket|sum|count)$/, "");
      used.add(name).add(whole);
      return metrics.get(name) ?? metrics.get(whole);
    };
    for (const [where, query] of queries()) {
      const uses = usesIn(query).map((it) => ({ ...it, has: labelsOf(it.metric) }));
      for (const { metric, labels, has } of uses) {
        t.ok(has, `${where}: ${metric}`);
        for (const [label, values] of labels) {
          if (ADDED.includes(label)) continue;
          for (const value of values) {
            t.ok(has?.get(label)?.has(value), `${where}: ${metric}{${label}="${value}"}`);
          }
        }
      }
      for (const label of groupsIn(query)) {
        const isThere = ADDED.includes(label) || uses.some(({ has }) => has?.has(label));
        t.ok(isThere, `${where}: by ${label}`);
      }
    }
    const ours = [...metrics.keys()].filter((it) => it.startsWith("inthon_"));
    t.ok(ours.length > 20, "they are found");
    t.strictSame(
      ours.filter((it) => !used.has(it)),
      [],
      "each is drawn, or alerts",
    );
  },
);
