import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { parse } from "yaml";

const manifests = fileURLToPath(new URL("../../k8s", import.meta.url));

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
  const files = (await readdir(manifests, { recursive: true })).filter((file) =>
    file.endsWith("kustomization.yaml"),
  );
  t.ok(files.length >= 2, "they are found");
  for (const file of files) {
    const path = join(manifests, file);
    const fields = parse(await readFile(path, "utf8")) as {
      resources?: string[];
      bases?: string[];
    };
    const unknown = Object.keys(fields).filter((field) => !KNOWN_TO_BOTH.includes(field));
    t.same(unknown, [], file);
    // An old kubectl takes a folder for a base only.
    for (const resource of fields.resources ?? []) {
      t.ok((await stat(join(dirname(path), resource))).isFile(), `${file}: ${resource} is a file`);
    }
  }
});
