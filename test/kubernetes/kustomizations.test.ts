import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Deployment } from "kubernetes-models/apps/v1";
import t from "tap";
import { parse } from "yaml";
import { kustomizations, type Manifest, named, problemsOf, render } from "./helpers/manifests.js";
import { containerOf, SERVER } from "./helpers/workload.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Of the fields that the Kustomize of Debian 12's kubectl knows (1.20, with Kustomize 2.0), those that today's reads the
 * same way. With `commonLabels` the selectors would change, which is no more possible once a Deployment exists.
 */
const KNOWN_TO_BOTH = [
  "apiVersion",
  "kind",
  "namespace",
  "namePrefix",
  "nameSuffix",
  "resources",
  "bases",
  "images",
  "configMapGenerator",
  "secretGenerator",
  "generatorOptions",
  "patchesStrategicMerge",
  "patchesJson6902",
];

void t.test("manifests have no field that Debian 12's kubectl does not know", async (t) => {
  const folders = await kustomizations();
  t.ok(folders.length >= 7, "they are found");
  for (const folder of folders) {
    const path = join(root, folder, "kustomization.yaml");
    const fields = parse(await readFile(path, "utf8")) as { kind: string; resources?: string[] };
    t.equal(fields.kind, "Kustomization", `${folder}: of the kind that it knows`);
    const unknown = Object.keys(fields).filter((field) => !KNOWN_TO_BOTH.includes(field));
    t.same(unknown, [], folder);
    // An old kubectl takes a folder for a base only.
    for (const resource of fields.resources ?? []) {
      t.ok((await stat(join(root, folder, resource))).isFile(), `${folder}: ${resource} is a file`);
    }
  }
});

void t.test("every folder renders, and every object is valid against its schema", async (t) => {
  for (const folder of await kustomizations()) {
    const manifests = await render(folder);
    t.ok(manifests.length > 0, folder);
    t.strictSame(await problemsOf(manifests), [], folder);
  }
});

void t.test(
  "every image of others is of an exact version, and ours of the package's",
  async (t) => {
    const { version } = JSON.parse(await readFile(join(root, "server/package.json"), "utf8")) as {
      version: string;
    };
    const images = new Set<string>();
    for (const folder of ["k8s/overlays/local", "k8s/overlays/production"]) {
      for (const it of (await render(folder)).filter(Deployment.is)) {
        images.add(containerOf(it).image ?? "");
      }
    }
    // Built here, by hand, for this machine.
    t.ok(images.delete(`${SERVER}:local`));
    t.ok(images.delete(`registry.example/${SERVER}:${version}`), "a release is its version");
    t.equal(images.size, 1, "Redis");
    for (const image of images) t.match(image, /:\d+\.\d+\.\d+(-[a-z]+)?$/, image);
  },
);

void t.test("the validation refuses what Kubernetes would refuse", async (t) => {
  const manifests = await render("k8s/overlays/local");
  const deployment = named(manifests.filter(Deployment.is), SERVER);
  const mutations: [string, RegExp, (copy: string) => string][] = [
    ["a wrong type", /replicas must be integer/, edit('"replicas":2', '"replicas":"2"')],
    ["a missing field", /must have required property/, edit('"selector":', '"label":')],
    ["an unknown field", /"replica".* does not exist/, edit('"replicas":2', '"replica":2')],
    ["a deep unknown field", /"pth".* does not exist/, edit('"path":"/readyz"', '"pth":"/readyz"')],
    ["a bad quantity", /memory must match format/, edit('"memory":"512Mi"', '"memory":"512MiB"')],
    [
      "an unknown kind",
      /Deploymint is not known/,
      edit('"kind":"Deployment"', '"kind":"Deploymint"'),
    ],
    ["an old version", /v1beta3.Deployment is not known/, edit("apps/v1", "apps/v1beta3")],
  ];
  for (const [name, expected, mutate] of mutations) {
    const mutant = JSON.parse(mutate(JSON.stringify(deployment))) as Manifest;
    t.match((await problemsOf([mutant])).join("\n"), expected, name);
  }
  const [route] = await render("k8s/components/route");
  const other = edit('"hostnames"', '"hostname"')(JSON.stringify(route));
  t.match(await problemsOf([JSON.parse(other) as Manifest]), [/"hostname".* does not exist/]);

  function edit(from: string, to: string): (json: string) => string {
    return (json) => {
      if (!json.includes(from)) throw new Error(`There is no ${from} to change`);
      return json.replace(from, to);
    };
  }
});
