import { execFile } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** A Node.js is 50 MB to fetch. */
const TIMEOUT_MS = 10 * 60_000;
const OPTIONS = [
  "--no-save",
  "--no-audit",
  "--no-fund",
  "--no-package-lock",
  "--loglevel=error",
  "--prefer-offline",
];

/** Kept from one run to the next. */
const kept = fileURLToPath(new URL("../../output/", import.meta.url));

/** Installations of this process: two into one folder would take each other's files away. */
const installed = new Map<string, Promise<string>>();

/** Installs packages into a folder of their own below `test/output`, and resolves to its path. */
export async function npmInstall(folder: string, packages: readonly string[]): Promise<string> {
  const installing = installed.get(folder) ?? install(folder, packages);
  installed.set(folder, installing);
  return installing;
}

async function install(folder: string, packages: readonly string[]): Promise<string> {
  const dir = join(kept, folder);
  mkdirSync(dir, { recursive: true });
  const args = ["install", ...OPTIONS, "--prefix", dir, ...packages];
  await promisify(execFile)("npm", args, { cwd: dir, timeout: TIMEOUT_MS });
  return dir;
}

/** The version of a package that is installed there. */
export function installedVersion(dir: string, name: string): string {
  const file = join(dir, "node_modules", name, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
