/** `npm run bench`, `npm run bench -- --quick`: measures our server against the stock one, in one run and in turn. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keepAwake } from "./machine/awake.js";
import { Lab } from "./lab.js";
import { filesAllowed, filesNeeded } from "./machine/open-files.js";
import { enterOwnNetwork } from "./machine/own-network.js";
import { OptionError, parseOptions, type BenchOptions } from "./options.js";
import { loadCore, pin } from "./machine/pinning.js";
import { describeEnvironment } from "./report/environment.js";
import { formatJson } from "./report/json.js";
import { formatSvg } from "./report/svg.js";
import { formatTable } from "./report/table.js";
import { isGood } from "./measure/results.js";
import { measureRows } from "./run.js";
import { FULL, QUICK } from "./sizes.js";
import { run } from "../helpers/processes/run.js";
import { ensureTool } from "../helpers/tools/tools.js";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Ends with one line that says what is wrong. */
function refuse(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

function readOptions(): BenchOptions {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    return refuse(error.message);
  }
}

async function nodeVersion(node: string): Promise<string> {
  const { code, stdout } = await run(node, ["--version"]);
  const version = /^v(\d+\.\d+\.\d+)\s*$/.exec(stdout)?.[1];
  if (code === 0 && version !== undefined) return version;
  return refuse(`--node must be a node binary, and ${node} is not`);
}

const options = readOptions();
const sizes = options.quick ? QUICK : FULL;
const rounds = options.rounds ?? sizes.rounds;
const needed = filesNeeded(options.rows, sizes);
if (filesAllowed() < needed) {
  refuse(`the limit of open files (ulimit -n) is ${filesAllowed()}: these rows need ${needed}`);
}
const version = await nodeVersion(options.node);
mkdirSync(options.out, { recursive: true });

const startedAt = new Date();
// Before: there is no way out of a network of one's own.
await ensureTool("redis-server", { onInstall: print });
const network = await enterOwnNetwork(loadCore());
const pinning = pin();
const awake = keepAwake();
const lab = await Lab.open({
  pinning,
  sizes,
  rounds,
  node: options.node,
  tolerancePercent: options.tolerance,
  print,
});
let interrupted: Promise<void> | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted ??= lab.close().finally(() => process.exit(1));
  });
}
const environment = await describeEnvironment(
  version,
  `${pinning.note}; ${network.note}; ${awake.note}`,
);
print(`${options.rows.length} rows, ${rounds} rounds each; ${environment.pinning}`);
const results = await measureRows(lab, options.rows);
// Rows that were cut short are no results.
await interrupted;
await lab.close();
awake.end();

print(`\n${formatTable(results, environment)}`);
const settings = { startedAt: startedAt.toISOString(), quick: options.quick, rounds };
const files = {
  "bench.json": formatJson(results, environment, settings),
  "bench.svg": formatSvg(results, environment),
};
for (const [name, content] of Object.entries(files)) {
  writeFileSync(join(options.out, name), content);
}
const seconds = Math.round((Date.now() - startedAt.getTime()) / 1_000);
print(`\n${seconds} s; ${Object.keys(files).join(" and ")} are in ${options.out}`);
process.exit(results.every(isGood) ? 0 : 1);
