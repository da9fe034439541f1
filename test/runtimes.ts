/**
 * `npm run test:runtimes`: runs the tests on each Node.js that we promise, one after the other, and ends with a line for
 * each. Arguments go to each run: `-- test/edge/handshake.test.ts`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { run } from "./helpers/processes/run.js";
import { installNode, NODES } from "./helpers/tools/nodes.js";

const root = fileURLToPath(new URL("..", import.meta.url));
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
  const node = await installNode(version);
  const { stdout } = await run(node, ["--version"]);
  process.stdout.write(`\nNode.js ${stdout}`);
  const { passed, last } = await runTests(["--node", node, ...process.argv.slice(2)]);
  results.push(`${stdout.trim()}: ${last}`);
  if (!passed) process.exitCode = 1;
}
process.stdout.write(`\n${results.join("\n")}\n`);
