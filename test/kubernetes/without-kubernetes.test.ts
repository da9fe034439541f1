import { execFile } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import t from "tap";
import { parse } from "yaml";
import { blocksOf, readDocuments } from "../helpers/documents.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { named, render } from "./helpers/manifests.js";

const run = promisify(execFile);
const k8s = fileURLToPath(new URL("../../k8s", import.meta.url));
const blocks = blocksOf(await readDocuments());

function block(start: string): string {
  const found = blocks.find(({ text }) => text.startsWith(start));
  if (!found) throw new Error(`no document has a block that begins: ${start}`);
  return found.text;
}

await t.test(
  "a Prometheus without Kubernetes has the same rules, and finds what they ask for",
  async (t) => {
    const promtool = await ensureTool("promtool");
    const folder = t.testdir();
    await symlink(k8s, join(folder, "k8s"));
    await run("bash", ["-c", block("sed -n")], { cwd: folder });
    const rules = await readFile(join(folder, "inthon-rules.yaml"), "utf8");
    const { spec } = named(
      (await render("k8s/components/monitoring")).filter(PrometheusRule.is),
      "inthon-server",
    );
    t.strictSame(parse(rules), { groups: spec.groups });

    const text = block("rule_files:");
    await writeFile(join(folder, "prometheus.yml"), text);
    const { stdout } = await run(promtool, ["check", "config", join(folder, "prometheus.yml")]);
    t.match(stdout, /SUCCESS: \d+ rules found/, "it loads them");
    const [scraped] = (parse(text) as { scrape_configs: Record<string, unknown>[] }).scrape_configs;
    const jobs = new Set([...rules.matchAll(/job="([^"]+)"/g)].map(([, job]) => job));
    t.strictSame([...jobs], [scraped?.["job_name"]], "by the name that they ask for");
    const labels = new Set(
      [...rules.matchAll(/by \(([^)]+)\)/g)].flatMap(([, by = ""]) => by.split(", ")),
    );
    for (const label of ["namespace", "pod"])
      t.ok(labels.has(label) && text.includes(label), label);
  },
);
