// Puts the compiled server and the packages that it loads into one file, which Node.js reads in a fifth of the time that
// their 2,000 files take: how soon a replica is ready decides how long a class is away. Node.js goes without where the
// file is older than what is in it (`src/bundle.ts`).
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
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
        contents: text.replaceAll(
          "import.meta.url",
          `new URL(${place}, require("node:url").pathToFileURL(__filename)).href`,
        ),
      };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: [`${dist}/serve.js`],
  absWorkingDir: dirname(dist),
  bundle: true,
  write: false,
  platform: "node",
  // And not a module of ECMAScript: V8 keeps compiled code of a script alone, as far as Node.js 20 lets it.
  format: "cjs",
  target: "node20",
  minifyWhitespace: true,
  legalComments: "none",
  // The others of `redis` are its commands for modules of Redis.
  alias: { redis: "@redis/client" },
  plugins: [places],
  logLevel: "warning",
});
const [{ text }] = outputFiles;
// By its first line it is known which compiled code is its own.
const id = createHash("sha256").update(text).digest("hex");
// Never half of it: a start would end by that.
const bundle = `${dist}/serve.bundle.cjs`;
await writeFile(`${bundle}.new`, `//${id}\n${text}`);
await rename(`${bundle}.new`, bundle);
