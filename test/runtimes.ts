/**
 * `npm run test:runtimes`: runs the tests on each Node.js that we promise, one after the other, and ends with a line for
 * each. Arguments go to each run: `-- test/edge/handshake.test.ts`.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { run } from "./helpers/processes/run.js";

/** Of the npm package `node`: the oldest that `engines` allows, and the newest of each later line. */
const NODES = ["20.19.0", "22", "24", "26"];
/** It is 50 MB to fetch. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

const root = fileURLToPath(new URL("..", import.meta.url));
/** Kept from one run to the next: 100 MB each. */
const kept = join(root, "test/output/nodes");

/** Installs a Node.js beside the others, and resolves to its path. */
async function install(version: string): Promise<string> {
  const dir = join(kept, version);
  mkdirSync(dir, { recursive: true });
  const options = ["--no-save", "--no-audit", "--no-fund", "--prefix", dir];
  const timeout = INSTALL_TIMEOUT_MS;
  await promisify(execFile)("npm", ["install", ...options, `node@${version}`], { timeout });
  return join(dir, "node_modules/node/bin/node");
}

/** Runs the tests, lets everybody read along, and resolves to the last line. */
async function runTests(args: readonly string[]): Promise<{ passed: boolean; last: string }> {
  const file = fileURLToPath(new URL("run.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import=tsx", file, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let end = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    end = (end + text).slice(-1_000);
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { passed: code === 0, last: end.trimEnd().split("\n").at(-1) ?? "" };
}

const results: string[] = [];
for (const version of NODES) {
  const node = await install(version);
  const { stdout } = await run(node, ["--version"]);
  process.stdout.write(`\nNode.js ${stdout}`);
  const { passed, last } = await runTests(["--node", node, ...process.argv.slice(2)]);
  results.push(`${stdout.trim()}: ${last}`);
  if (!passed) process.exitCode = 1;
}
process.stdout.write(`\n${results.join("\n")}\n`);
