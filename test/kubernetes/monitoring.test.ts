import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { Service } from "kubernetes-models/v1";
import t from "tap";
import { named, nameOf, render } from "./helpers/manifests.js";
import { matches, SERVER } from "./helpers/workload.js";

const manifests = await render("k8s/components/monitoring");

await t.test("what is scraped is the Service of metrics, and only that", async (t) => {
  const monitor = named(manifests.filter(ServiceMonitor.is), SERVER);
  const services = [...manifests, ...(await render("k8s/base"))].filter(Service.is);
  const chosen = services.filter((it) =>
    matches(monitor.spec.selector.matchLabels, it.metadata?.labels ?? {}),
  );
  t.strictSame(chosen.map(nameOf), [`${SERVER}-metrics`]);
  const [service] = chosen;
  t.strictSame(
    monitor.spec.endpoints.map((it) => it.port),
    service?.spec?.ports?.map((it) => it.name),
  );
  t.equal(service?.spec?.publishNotReadyAddresses, true, "also while Redis is away");
  const { jobLabel = "" } = monitor.spec;
  t.equal(service?.metadata?.labels?.[jobLabel], "inthon-server", "the job of the rules");
});
