/**
 * `npm test`, `npm test -- test/one.test.ts`: installs the programs that these tests need, runs the tests, and ends with
 * the line "N passed, N failed". Where a program cannot be installed, the tests that use it fail. With `--node PATH` all of
 * it is run by another Node.js. With `--redis KIND` it runs what must hold on that kind of Redis, on it alone; `--redis all` on each in
 * turn; with `--secure` beside it, over TLS and with the README's users.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type EventLog, Parser, type Result } from "tap-parser";
import { installTools } from "./helpers/tools/tools.js";
import { toolsNeededBy } from "./helpers/tools/needed-tools.js";
import { OptionError, takeOtherNode } from "./helpers/tools/other-node.js";
import { MissingRedisError } from "./helpers/tools/redis-programs.js";
import { takeRedis, type RedisRun } from "./helpers/tools/redis-option.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const tap = join(root, "node_modules/.bin/tap");
/** What the reporter writes at its end, terminal or not. */
const showCursor = "\u001b[?25h";
/** Of this run alone: somebody else may be testing in the same directory. */
const tapOutput = join(root, `.tap/output-${process.pid}.tap`);

export interface TestCount {
  readonly passed: number;
  readonly failed: number;
  /** What to say about the failed ones: one text for each fault. */
  readonly faults: readonly string[];
}

/**
 * Counts the tests in the raw TAP of a run. A test is a named block that has no blocks in it:
 * those around it only group, and a file without blocks is one test. A skipped or unfinished test
 * has failed; so has a group or a file that fails by something outside of its tests.
 */
export function countTests(output: string): TestCount {
  return countBlock(Parser.parse(output), []);
}

function countBlock(events: EventLog, path: readonly string[]): TestCount {
  const faults: string[] = [];
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  let blocks = 0;
  let child: EventLog | undefined;
  for (const [type, value] of events as [string, unknown][]) {
    if (type === "child") child = value as EventLog;
    if (type !== "assert") continue;
    const result = value as Result;
    const names = [...path, result.name];
    const isSkipped = result.skip !== false || result.todo !== false;
    if (isSkipped) faults.push(`${names.join(" > ")}: skipped, which counts as failed`);
    if (child === undefined) {
      if (isSkipped) skipped++;
      else if (!result.ok) faults.push(describe(names, result));
      continue;
    }

    blocks++;
    const inside = countBlock(child, names);
    child = undefined;
    faults.push(...inside.faults);
    passed += inside.passed;
    failed += inside.failed;
    const isLeaf = inside.passed + inside.failed === 0;
    const isGood = result.ok && !isSkipped;
    if (isLeaf && isGood) passed++;
    if (!isGood && inside.failed === 0) {
      failed++;
      if (inside.faults.length === 0 && !isSkipped) faults.push(describe(names, result));
    }
  }
  // Among blocks, what is skipped is a block; in a leaf, an assertion, and the leaf fails by it.
  failed += blocks > 0 ? skipped : Math.min(skipped, 1);
  return { passed, failed, faults };
}

/** What tap writes below a failed assertion, as far as we show it. */
interface Diagnostics {
  readonly diff?: string;
  readonly stack?: string;
  readonly at?: { readonly fileName: string; readonly lineNumber: number };
  readonly exitCode?: number | null;
  readonly signal?: string | null;
  readonly timeout?: number;
}

/** The fault with what tap knows of it: the difference, and where it was found. */
function describe(names: readonly string[], result: Result): string {
  const { diff, stack, at, exitCode, signal, timeout } = (result.diag ?? {}) as Diagnostics;
  const details = [
    diff,
    stack ?? (at && `${at.fileName}:${at.lineNumber}`),
    exitCode ? `exit code ${exitCode}` : undefined,
    signal ? `ended by ${signal}` : undefined,
    timeout ? `not finished within ${timeout} ms` : undefined,
  ];
  const lines = details.flatMap((detail) => detail?.trimEnd().split("\n") ?? []);
  return [names.join(" > "), ...lines.map((line) => `  ${line}`)].join("\n");
}

async function mainAsAsked(given: readonly string[]): Promise<TestCount> {
  const total = { passed: 0, failed: 0, faults: [] as string[] };
  try {
    const { args, env } = takeOtherNode(given, join(root, `.tap/node-${process.pid}`));
    for (const run of await takeRedis(args, root, print)) {
      const { passed, failed, faults } = await main(run, env);
      if (run.name !== undefined) print(`${run.name}: ${passed} passed, ${failed} failed`);
      total.passed += passed;
      total.failed += failed;
      total.faults.push(...faults);
    }
    return total;
  } catch (error) {
    if (!(error instanceof OptionError || error instanceof MissingRedisError)) throw error;
    return { ...total, faults: [...total.faults, error.message] };
  }
}

async function main(run: RedisRun, env: NodeJS.ProcessEnv): Promise<TestCount> {
  const { args } = run;
  const files = args.some((arg) => !arg.startsWith("-")) ? [] : allTestFiles();
  // Without a file tap would look for tests in places of its own.
  if (args.length + files.length === 0) return { passed: 0, failed: 0, faults: ["No test file"] };
  await installTools(toolsNeededBy([...args, ...files], root), print);
  const exitCode = await runTap([...args, ...files], { ...env, ...run.env });
  const { passed, failed, faults } = countTests(readOutput());
  if (exitCode === 0 || failed > 0) return { passed, failed, faults };
  const fault = `tap ended with exit code ${exitCode}, though no test failed`;
  return { passed, failed: 1, faults: [...faults, fault] };
}

function allTestFiles(): readonly string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules"))
    .map((file) => join("test", file))
    .sort();
}

async function runTap(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  mkdirSync(dirname(tapOutput), { recursive: true });

  const onTerminal = process.stdout.isTTY;
  const child = spawn(tap, ["--reporter=base", `--output-file=${tapOutput}`, ...args], {
    cwd: root,
    stdio: ["ignore", onTerminal ? "inherit" : "pipe", "inherit"],
    // The reporter redraws what it has written, unless this tells it that nobody is watching.
    env: onTerminal ? env : { ...env, CI: "true" },
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text.replaceAll(showCursor, ""));
  });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  process.on("SIGTERM", forward).on("SIGINT", forward);
  const [code] = (await once(child, "close")) as [number | null];
  return code ?? 1;
}

function readOutput(): string {
  try {
    return readFileSync(tapOutput, "utf8");
  } catch {
    return ""; // tap refused its arguments
  } finally {
    rmSync(tapOutput, { force: true });
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

// The test of this file imports it.
if (realpathSync(process.argv[1] ?? "") === realpathSync(fileURLToPath(import.meta.url))) {
  const { passed, failed, faults } = await mainAsAsked(process.argv.slice(2));
  // On a terminal tap has already shown the details.
  for (const fault of faults)
    print(process.stdout.isTTY ? (fault.split("\n")[0] ?? "") : `\n${fault}`);
  if (faults.length > 0) print("");
  print(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && faults.length === 0 && passed > 0 ? 0 : 1);
}
