import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { ConfigMap } from "kubernetes-models/v1";
import { named, render } from "../../kubernetes/helpers/manifests.js";

/** A rule waits for minutes, and looks back over more of them: here so many times less. */
const FASTER = 6;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };
/** Of what a dashboard looks back over, several scrapes. */
const RATE_INTERVAL = "15s";

/** An alert of a rule. */
export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string | undefined;
}

export interface Watching {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
  /** Queries of the dashboard, each with the panel's title. */
  readonly queries: readonly (readonly [title: string, query: string])[];
}

/** The alerts and panels that `k8s/components/monitoring` has, in a hurry. */
export async function watching(): Promise<Watching> {
  const manifests = await render("k8s/components/monitoring");
  const { spec } = named(manifests.filter(PrometheusRule.is), "inthon-server");
  const groups = (spec.groups ?? []).map(({ name, rules = [] }) => ({
    name,
    rules: rules.map((rule) => ({
      alert: rule.alert ?? "",
      expr: String(rule.expr).replace(/\[(\w+)\]/g, (_, time: string) => `[${inAHurry(time)}]`),
      ...(rule.for !== undefined && { for: inAHurry(rule.for) }),
    })),
  }));
  const { data } = named(manifests.filter(ConfigMap.is), "inthon-dashboard");
  const { panels } = JSON.parse(data?.["inthon.json"] ?? "") as { panels: readonly Panel[] };
  const queries = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [title, withoutVariables(expr)] as const),
  );
  return { groups, queries };
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** @param time - as Prometheus writes it, with one unit */
function inAHurry(time: string): string {
  const [, number = "", unit = ""] = /^(\d+)([smh])$/.exec(time) ?? [];
  const seconds = (Number(number) * (SECONDS[unit] ?? NaN)) / FASTER;
  if (Number.isNaN(seconds)) throw new Error(`no time of Prometheus: ${time}`);
  return `${String(Math.round(seconds))}s`;
}

function withoutVariables(query: string): string {
  return query.replaceAll("$__rate_interval", RATE_INTERVAL).replaceAll("$namespace", ".*");
}
