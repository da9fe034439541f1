/**
 * `npm run check:package`: the emitter's tarball, as the field's own tools see it: `publint` looks at what is in it and what its
 * manifest says of that, `attw` at which declarations TypeScript finds, by each way of looking for them. Asks nobody outside.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Judgement } from "./judgements.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 120_000;

/** Packs a folder as it is built, and judges what is in the tarball. */
export async function judgePackage(folder: string): Promise<readonly Judgement[]> {
  const dir = await mkdtemp(join(tmpdir(), "inthon-tarball-"));
  try {
    const packing = await run(
      "npm",
      ["pack", "--ignore-scripts", "--pack-destination", dir],
      folder,
    );
    const [name] = await readdir(dir);
    if (!packing.isFine || name === undefined) return [packing];
    const tarball = join(dir, name);
    const tool = (bin: string, ...args: readonly string[]) =>
      run(join(ROOT, "node_modules/.bin", bin), [...args, tarball], dir);
    return [
      await tool("publint", "run", "--strict"),
      await tool("attw", "--no-color", "--no-emoji", "--no-definitely-typed"),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function run(file: string, args: readonly string[], cwd: string): Promise<Judgement> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ text: `${stdout}${stderr}`.trim(), isFine: error === null });
    });
  });
}

async function main(): Promise<void> {
  for (const { text, isFine } of await judgePackage(join(ROOT, "emitter"))) {
    process.stdout.write(`${text}\n`);
    if (!isFine) process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
