// Puts the compiled server and the packages that it loads into one file, which Node.js reads in a fifth of the time that
// their 2,000 files take: how soon a replica is ready decides how long a class is away. Node.js goes without where the
// file is older than what is in it (`src/main.ts`).
import { readFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("dist", import.meta.url));

/** Files that our modules read lie where they lay: each says where it is itself. */
const places = {
  name: "places",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]server[\\/]dist[\\/].*\.js$/ }, async ({ path }) => {
      const place = JSON.stringify(relative(dist, path).replaceAll("\\", "/"));
      const text = await readFile(path, "utf8");
      return {
        loader: "js",
        contents: text.replaceAll("import.meta.url", `new URL(${place}, import.meta.url).href`),
      };
    });
  },
};

await build({
  entryPoints: [`${dist}/serve.js`],
  outfile: `${dist}/serve.bundle.js`,
  absWorkingDir: dirname(dist),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  // Packages in CommonJS load Node's own modules by it.
  banner: {
    js: 'import { createRequire as requireOfBundle } from "node:module";\nconst require = requireOfBundle(import.meta.url);',
  },
  plugins: [places],
  logLevel: "warning",
});
