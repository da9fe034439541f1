// Writes the Lua scripts into a module of their own, `src/redis/lua/texts.ts`, so that nothing is read beside the compiled code: a
// bundle of somebody's has no files beside it. Written only where it changes: a compiler that looks at times has nothing to do then.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { URL } from "node:url";

const folder = new URL("../src/redis/lua/", import.meta.url);
const target = new URL("texts.ts", folder);

const lines = [
  "// Made by build/inline-lua.mjs out of the files beside it, at each build. Not kept in git.",
];
for (const file of (await readdir(folder)).sort()) {
  if (!file.endsWith(".lua")) continue;
  const name = `${file.slice(0, -".lua".length).replaceAll("-", "_").toUpperCase()}_LUA`;
  const text = await readFile(new URL(file, folder), "utf8");
  lines.push(`/** \`${file}\` */`, `export const ${name} = ${JSON.stringify(text)};`);
}
const text = `${lines.join("\n")}\n`;
if ((await readFile(target, "utf8").catch(() => "")) !== text) await writeFile(target, text);
