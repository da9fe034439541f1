import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { TOOLS, type Tool } from "./tools.js";

const AN_IMPORT = /\bfrom "(\.{1,2}\/[^"]+)\.js"/g;
const A_NEED = /\bensureTool\("([a-z-]+)"/g;

/**
 * Which tools the test files may ask for: those that they, or what they import, name in a call of `ensureTool`. An
 * argument that is no file is passed over: what it leads to asks for its tools by itself.
 *
 * @param args - as for tap: options and files, relative to `root`
 */
export function toolsNeededBy(args: readonly string[], root: string): readonly Tool[] {
  const needed = new Set<string>();
  const seen = new Set<string>();
  const next = args.map((arg) => join(root, arg));
  for (let file = next.pop(); file !== undefined; file = next.pop()) {
    if (seen.has(file) || !isFile(file)) continue;
    seen.add(file);
    const source = readFileSync(file, "utf8");
    for (const [, tool = ""] of source.matchAll(A_NEED)) needed.add(tool);
    for (const [, path = ""] of source.matchAll(AN_IMPORT)) {
      next.push(resolve(dirname(file), `${path}.ts`));
    }
  }
  return TOOLS.filter((tool) => needed.has(tool));
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}
