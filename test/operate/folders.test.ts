import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = ["emitter/src", "server/src", "server/public", "server/docs", "test"];
/** What tests write. */
const OUTPUT = "test/output";
const MAX_FILES = 12;

/** How many files each folder of source holds by itself. */
async function foldersOfSource(): Promise<ReadonlyMap<string, number>> {
  const folders = new Map<string, number>();
  const next = [...SOURCES];
  for (let folder = next.pop(); folder !== undefined; folder = next.pop()) {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    const inside = entries.filter(({ name }) => !name.startsWith("."));
    const subfolders = inside.filter((entry) => entry.isDirectory());
    folders.set(folder, inside.length - subfolders.length);
    for (const { name } of subfolders) {
      if (`${folder}/${name}` !== OUTPUT) next.push(`${folder}/${name}`);
    }
  }
  return folders;
}

/** The tree of test/README.md: the path of each folder, with what it is. */
async function treeOfReadme(): Promise<ReadonlyMap<string, string>> {
  const readme = await readFile(join(root, "test/README.md"), "utf8");
  const [, block = ""] = /^```\n(emitter\/src\/ [\s\S]*?)^```$/m.exec(readme) ?? [];
  const tree = new Map<string, string>();
  const above: string[] = [];
  for (const [, indent = "", name = "", what = ""] of block.matchAll(/^( *)(\S+)\/ +(.+)$/gm)) {
    const depth = indent.length / 2;
    above.splice(depth, above.length, name);
    tree.set(above.join("/"), what);
  }
  return tree;
}

void t.test("the tree of test/README.md names every folder of source, and no other", async (t) => {
  const tree = await treeOfReadme();
  t.same([...tree.keys()].sort(), [...(await foldersOfSource()).keys()].sort());
});

void t.test("no folder of source holds more than a dozen files", async (t) => {
  const folders = await foldersOfSource();
  t.ok(folders.size > 20, "they are found");
  for (const [folder, files] of folders) t.ok(files <= MAX_FILES, `${folder} holds ${files}`);
});
