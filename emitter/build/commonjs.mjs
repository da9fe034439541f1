// Makes the package once more, for `require`: in `dist/cjs`, each entry as one file in CommonJS, with the declarations of its own
// that TypeScript looks for beside CommonJS. typebox exists as ES modules only, which Jest and older bundlers do not take from
// `require`, so it is inside; everything else stays a dependency.
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const cjs = join(dist, "cjs");
const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
const typebox = fileURLToPath(new URL("../license", import.meta.resolve("typebox")));

await rm(cjs, { recursive: true, force: true });
const sources = new Set(await readdir(join(dist, "../src"), { recursive: true }));
for (const file of await readdir(dist, { recursive: true })) {
  const [, name, end] = /^(.*)\.(js|d\.ts)$/.exec(file) ?? [];
  if (name === undefined) continue;
  // The compiler leaves what it once made of a source that is gone.
  if (!sources.has(`${name}.ts`)) await rm(join(dist, file));
  else if (end === "d.ts") {
    await mkdir(dirname(join(cjs, file)), { recursive: true });
    await copyFile(join(dist, file), join(cjs, file));
  }
}
await writeFile(join(cjs, "package.json"), '{ "type": "commonjs" }\n');
await build({
  entryPoints: Object.values(manifest.exports)
    .map((entry) => entry.import?.default)
    .filter((file) => file !== undefined)
    .map((file) => fileURLToPath(new URL(`../${file}`, import.meta.url))),
  outbase: dist,
  outdir: cjs,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: Object.keys(manifest.dependencies).filter((name) => name !== "typebox"),
  banner: {
    js: `/* typebox is inside this file. Its licence:\n\n${(await readFile(typebox, "utf8")).trim()}\n*/`,
  },
  logLevel: "warning",
});
