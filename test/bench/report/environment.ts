import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { run } from "../../helpers/processes/run.js";
import { ensureTool } from "../../helpers/tools/tools.js";

/** What was measured, and on what. */
export interface Environment {
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: string;
  readonly pinning: string;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** From the server: what it runs on, whatever else lies about. */
const server = createRequire(`${root}server/package.json`);
const emitter = createRequire(`${root}emitter/package.json`);

/** @param nodeVersion - of the servers under test */
export async function describeEnvironment(
  nodeVersion: string,
  pinning: string,
): Promise<Environment> {
  const redisServer = await run(await ensureTool("redis-server"), ["--version"]);
  return {
    commit: await commit(),
    versions: {
      node: nodeVersion,
      "socket.io": versionOf(server, "socket.io"),
      "engine.io": versionOf(server, "engine.io"),
      ws: versionOf(server, "ws"),
      "@socket.io/redis-adapter": versionOf(server, "@socket.io/redis-adapter"),
      "@socket.io/redis-emitter": versionOf(emitter, "@socket.io/redis-emitter"),
      redis: versionOf(server, "redis"),
      "redis-server": /v=(\S+)/.exec(redisServer.stdout)?.[1] ?? "unknown",
    },
    machine: `Linux ${release()}, ${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown CPU"}`,
    pinning,
  };
}

/** Of the package that this one would load. Not all let their package.json be resolved, so by its place. */
function versionOf(require: NodeJS.Require, name: string): string {
  try {
    const main = require.resolve(name);
    const directory = `node_modules/${name}/`;
    const end = main.lastIndexOf(directory) + directory.length;
    const file = `${main.slice(0, end)}package.json`;
    const { version } = JSON.parse(readFileSync(file, "utf8")) as { version?: unknown };
    return typeof version === "string" ? version : "unknown";
  } catch {
    return "unknown";
  }
}

/** With a `+` where files differ from the commit. */
async function commit(): Promise<string> {
  const head = await run("git", ["rev-parse", "--short", "HEAD"], { cwd: root });
  if (head.code !== 0) return "unknown";
  const changes = await run("git", ["status", "--porcelain"], { cwd: root });
  return head.stdout.trim() + (changes.stdout.trim() === "" ? "" : "+");
}
