import {
  HTTPRoute,
  type IHTTPRoute,
} from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import { Deployment } from "kubernetes-models/apps/v1";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import { Service } from "kubernetes-models/v1";
import t from "tap";
import { loadConfig } from "../../server/dist/config/config.js";
import { OTHERS } from "../sizing/figures.js";
import { kustomizations, named, nameOf, render } from "./helpers/manifests.js";
import { containerOf, environmentOf, podOf, SERVER } from "./helpers/workload.js";

const PRODUCTION = "k8s/overlays/production";

await t.test(
  "where there is an autoscaler, nothing else says how many replicas there are",
  async (t) => {
    let autoscaled = 0;
    for (const folder of await kustomizations()) {
      const manifests = await render(folder);
      for (const { spec } of manifests.filter(HorizontalPodAutoscaler.is)) {
        const target = spec?.scaleTargetRef;
        t.strictSame([target?.apiVersion, target?.kind], ["apps/v1", "Deployment"], folder);
        for (const it of manifests.filter(Deployment.is)) {
          if (nameOf(it) !== target?.name) continue;
          autoscaled += 1;
          t.equal(it.spec?.replicas, undefined, folder);
        }
      }
    }
    t.equal(autoscaled, 1, "production's");
  },
);

await t.test(
  "the autoscaler adds quickly, and takes away one replica at a time, each after a whole drain",
  async (t) => {
    const manifests = await render(PRODUCTION);
    const { spec } = named(manifests.filter(HorizontalPodAutoscaler.is), SERVER);
    const deployment = named(manifests.filter(Deployment.is), SERVER);
    const { limits } = loadConfig(environmentOf(manifests, containerOf(deployment)));
    const graceS = podOf(deployment).terminationGracePeriodSeconds ?? 0;

    const byConnections = spec?.metrics?.find((it) => it.type === "Pods")?.pods;
    t.equal(byConnections?.metric.name, "inthon_connections");
    const target = Number(byConnections?.target.averageValue);
    t.equal(target, OTHERS.connectionsEach.value, "what npm run size plans with");
    // 2 of 3 take what 3 had, and there is room for those who begin meanwhile.
    t.ok(target * 1.5 <= limits.maxConnections * 0.75, `${String(target)} connections for each`);
    t.ok(
      spec?.metrics?.some((it) => it.resource?.name === "cpu"),
      "and by CPU",
    );

    const down = spec?.behavior?.scaleDown;
    t.strictSame(
      down?.policies?.map((it) => [it.type, it.value]),
      [["Pods", 1]],
    );
    for (const it of down?.policies ?? [])
      t.ok(it.periodSeconds > graceS, "one drain ends before the next");
    t.ok((down?.stabilizationWindowSeconds ?? 0) >= 1_800, "a break between lectures is no reason");
    t.equal(spec?.behavior?.scaleUp?.stabilizationWindowSeconds, 0);
    t.ok((spec?.minReplicas ?? 1) >= 3, "one for each zone");
  },
);

const ROUTES = ["route", "route-with-polling"];

await t.test("each route leads to the Service, by a port that it has", async (t) => {
  const service = named((await render("k8s/base")).filter(Service.is), SERVER);
  const ports = (service.spec?.ports ?? []).map((it) => it.port);
  for (const name of ROUTES) {
    for (const rule of await rulesOf(name)) {
      t.strictSame(
        rule.backendRefs?.map((it) => it.name),
        [SERVER],
        name,
      );
      for (const it of rule.backendRefs ?? []) t.ok(ports.includes(it.port ?? 0), name);
    }
  }
});

type Rule = NonNullable<NonNullable<IHTTPRoute["spec"]>["rules"]>[number];

async function rulesOf(component: string): Promise<readonly Rule[]> {
  const route = named((await render(`k8s/components/${component}`)).filter(HTTPRoute.is), SERVER);
  return route.spec.rules ?? [];
}

/** Whether the rules take a request, by the prefixes of paths and the headers that ours are made of. */
function takes(
  rules: readonly Rule[],
  path: string,
  headers: Readonly<Record<string, string>>,
): boolean {
  return rules.some((rule) =>
    rule.matches?.some((it) => {
      const prefix = it.path?.value ?? "/";
      const isBelow = path === prefix || path.startsWith(`${prefix.replace(/\/$/, "")}/`);
      return isBelow && (it.headers ?? []).every(({ name, value }) => headers[name] === value);
    }),
  );
}

await t.test("a route offers long polling only where it says that it needs hashing", async (t) => {
  const webSocketOnly = await rulesOf("route");
  const withPolling = await rulesOf("route-with-polling");
  const upgrade = { Upgrade: "websocket" };
  for (const path of ["/ws/session/lecture-1/student/", "/socket.io/"]) {
    t.equal(takes(webSocketOnly, path, upgrade), true, `${path}, a WebSocket`);
    t.equal(takes(webSocketOnly, path, {}), false, `${path}, long polling`);
    t.equal(takes(withPolling, path, upgrade), true, `${path}, a WebSocket`);
    t.equal(takes(withPolling, path, {}), true, `${path}, long polling`);
  }
  for (const rules of [webSocketOnly, withPolling]) {
    const stream = { Accept: "text/event-stream" };
    t.equal(takes(rules, "/ws/session/lecture-1/student/", stream), true, "an event stream");
    t.equal(takes(rules, "/sessions/lecture-1/events", {}), true, "publishing");
    for (const path of ["/readyz", "/healthz", "/metrics"]) {
      t.equal(takes(rules, path, {}), false, `${path} is not for strangers`);
    }
  }
});
