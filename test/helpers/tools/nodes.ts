import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Of the npm package `node`: the oldest that `engines` allows, and the newest of each later line. */
export const NODES = ["20.19.0", "22", "24", "26"] as const;
/** It is 50 MB to fetch. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** Kept from one run to the next, 100 MB each: remove it for newer ones. */
const kept = fileURLToPath(new URL("../../output/nodes", import.meta.url));

/** Those of this process: two installations into one folder would take each other's files away. */
const installations = new Map<string, Promise<string>>();

/** Installs a Node.js beside the others, where it is not there yet, and resolves to its path. */
export async function installNode(version: string): Promise<string> {
  const installation = installations.get(version) ?? install(version);
  installations.set(version, installation);
  return installation;
}

async function install(version: string): Promise<string> {
  const dir = join(kept, version);
  const path = join(dir, "node_modules/node/bin/node");
  if (await promisify(execFile)(path, ["--version"]).catch(() => undefined)) return path;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const options = ["--no-save", "--no-audit", "--no-fund", "--prefer-offline", "--prefix", dir];
  const timeout = INSTALL_TIMEOUT_MS;
  await promisify(execFile)("npm", ["install", ...options, `node@${version}`], { timeout });
  return path;
}
