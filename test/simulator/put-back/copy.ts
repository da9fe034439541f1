import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import type { Edit, MendedFault } from "./faults.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** What a replica and a publisher are made of, and the simulator. */
const PARTS = [
  "package.json",
  "tsconfig.json",
  "emitter/package.json",
  "emitter/build",
  "emitter/src",
  "emitter/dist",
  "server/package.json",
  "server/src",
  "server/dist",
  "test/simulator",
];

/** What is made of the emitter's scripts before it is compiled, and how. */
const SCRIPTS = { folder: "emitter/src/redis/lua/", texts: "emitter/src/redis/lua/texts.ts" };
const MAKE_TEXTS = "emitter/build/inline-lua.mjs";

/** A copy of the product, as it is compiled, into which faults are put back: the source itself is never touched. */
export class ProductCopy {
  readonly path: string;
  readonly #original: string;

  private constructor(path: string, original: string) {
    this.path = path;
    this.#original = original;
  }

  /** @param original - where the source and what was compiled of it are */
  static async make(original = root): Promise<ProductCopy> {
    const path = await mkdtemp(join(tmpdir(), "inthon-put-back-"));
    for (const part of PARTS) {
      await cp(join(original, part), join(path, part), { recursive: true });
    }
    await linkModules(original, path);
    return new ProductCopy(path, original);
  }

  /** @throws where a piece of the source is not there, or is there twice */
  async put({ name, edits }: MendedFault): Promise<void> {
    const texts = new Map<string, string>();
    for (const { file, from, to } of edits) {
      const text = texts.get(file) ?? (await readFile(join(this.#original, file), "utf8"));
      const pieces = text.split(from).length - 1;
      if (pieces !== 1) {
        throw new Error(
          `"${name}" cannot be put back: ${file} has ${String(pieces)} times, and not once: ${from}`,
        );
      }
      texts.set(
        file,
        text.replace(from, () => to),
      );
    }
    for (const [file, text] of texts) await this.#write(file, text);
  }

  /** Makes it whole again. */
  async mend({ edits }: MendedFault): Promise<void> {
    for (const file of edits.flatMap((edit) => touched(edit.file))) {
      for (const each of [file, compiled(file)]) {
        if (each) await cp(join(this.#original, each), join(this.path, each));
      }
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async #write(file: string, text: string): Promise<void> {
    await writeFile(join(this.path, file), text);
    if (touched(file).length > 1) {
      await promisify(execFile)(process.execPath, [join(this.path, MAKE_TEXTS)]);
      const { texts } = SCRIPTS;
      await this.#write(texts, await readFile(join(this.path, texts), "utf8"));
    }
    const output = compiled(file);
    if (!output) return;
    const { code } = await transform(text, { loader: "ts", format: "esm", target: "es2022" });
    await writeFile(join(this.path, output), code);
  }
}

/** A file that was edited, and what is made of it. */
function touched(file: string): readonly string[] {
  const isScript = file.startsWith(SCRIPTS.folder) && file.endsWith(".lua");
  return isScript ? [file, SCRIPTS.texts] : [file];
}

/** Where a file of TypeScript is compiled to. */
function compiled(file: Edit["file"]): string | undefined {
  const [, part, path] = /^(\w+)\/src\/(.*)\.ts$/.exec(file) ?? [];
  return part !== undefined && path !== undefined ? `${part}/dist/${path}.js` : undefined;
}

/** The packages are the original's, but for the product's own. */
async function linkModules(original: string, path: string): Promise<void> {
  const modules = join(path, "node_modules");
  await mkdir(modules);
  for (const name of await readdir(join(original, "node_modules"))) {
    if (name !== "@inthon") await link(join(original, "node_modules", name), join(modules, name));
  }
  await link("../../emitter", join(modules, "@inthon", "emitter"));
  await link("../../server", join(modules, "@inthon", "server"));
  for (const part of ["server", "emitter"]) {
    const own = join(original, part, "node_modules");
    const isThere = await readdir(own).catch(() => undefined);
    if (isThere) await link(own, join(path, part, "node_modules"));
  }
}

async function link(to: string, at: string): Promise<void> {
  await mkdir(dirname(at), { recursive: true });
  await symlink(to, at);
}
