import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type IPrometheusRule,
  PrometheusRule,
} from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { Deployment } from "kubernetes-models/apps/v1";
import t from "tap";
import { stringify } from "yaml";
import { ensureTool } from "../helpers/tools/tools.js";
import {
  EVALUATED_AT_SAMPLE,
  HEALTHY,
  INTERVAL_S,
  SCENARIOS,
  type Series,
} from "./helpers/alerts.js";
import { named, render } from "./helpers/manifests.js";
import { containerOf, SERVER } from "./helpers/workload.js";
import { readDocuments } from "../helpers/documents.js";

const run = promisify(execFile);

const groups = await rules();
const alerts = groups.flatMap((it) => it.rules ?? []);
const names = alerts.map((it) => it.alert ?? "");

type Groups = NonNullable<IPrometheusRule["spec"]["groups"]>;

async function rules(): Promise<Groups> {
  const manifests = await render("k8s/components/monitoring");
  return named(manifests.filter(PrometheusRule.is), SERVER).spec.groups ?? [];
}

/** A test of promtool: with these series, exactly these alerts fire. */
function expecting(name: string, series: Series, fire: readonly string[]): object {
  const values = { ...HEALTHY, ...series };
  return {
    name,
    interval: `${String(INTERVAL_S)}s`,
    input_series: Object.entries(values).map(([it, samples]) => ({ series: it, values: samples })),
    promql_expr_test: [
      {
        expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${String(EVALUATED_AT_SAMPLE * INTERVAL_S)}s`,
        exp_samples: fire.map((it) => ({ labels: `{alertname="${it}"}`, value: 1 })),
      },
    ],
  };
}

await t.test(
  "each alert fires where it should, alone, and just before that nothing does",
  async (t) => {
    const promtool = await ensureTool("promtool");
    t.strictSame(Object.keys(SCENARIOS).sort(), [...names].sort(), "each is tried");
    const tests = [expecting("two replicas that are well", {}, [])];
    for (const [name, { fires, quiet, also = [] }] of Object.entries(SCENARIOS)) {
      tests.push(expecting(`${name} fires`, fires, [name, ...also]));
      tests.push(expecting(`${name} keeps quiet`, quiet, []));
    }
    const folder = t.testdir({ "rules.yaml": stringify({ groups }) });
    const file = join(folder, "tests.yaml");
    const content = {
      rule_files: ["rules.yaml"],
      evaluation_interval: `${String(INTERVAL_S)}s`,
      tests,
    };
    await writeFile(file, stringify(content));
    const said = await run(promtool, ["test", "rules", file]).then(
      () => "",
      (error: unknown) => String((error as { stderr?: string }).stderr ?? error),
    );
    t.equal(said, "");
    const { stdout } = await run(promtool, ["check", "rules", join(folder, "rules.yaml")]);
    t.match(stdout, `SUCCESS: ${String(alerts.length)} rules found`);
  },
);

await t.test("an alert says in a line what is wrong, and how bad it is", (t) => {
  t.equal(new Set(names).size, names.length, "each by a name of its own");
  for (const { alert = "", labels, annotations } of alerts) {
    t.match(labels?.["severity"], /^(critical|warning)$/, alert);
    t.match(annotations?.["summary"], /^.{20,120}\.$/, alert);
  }
  t.end();
});

await t.test("thresholds are those of what is deployed", async (t) => {
  const manifests = await render("k8s/base");
  const deployment = named(manifests.filter(Deployment.is), SERVER);
  const container = containerOf(deployment);
  const expr = (name: string): string => String(alerts.find((it) => it.alert === name)?.expr ?? "");
  t.equal(container.resources?.limits?.["memory"], "1Gi");
  t.match(expr("InthonMemoryShort"), "> 0.85 * 1024 * 1024 * 1024");
});

await t.test("the README has a row for each alert, and for no other", async (t) => {
  const readme = await readDocuments();
  const rows = [...readme.matchAll(/^\| `(Inthon\w+)` +\| (.+) \| (.+) \|$/gm)];
  t.strictSame(rows.map(([, name]) => name).sort(), [...names].sort());
});
