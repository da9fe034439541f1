import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { START_COMMAND } from "../helpers/processes/server-process.js";

const OPTIMIZE_SOONER = new URL("../../server/dist/optimize-sooner.js", import.meta.url).href;
const V8 = Number(process.versions.v8.split(".")[0]);
/** Those of Node.js 20, 22, 24 and 26. */
const MEASURED = [11, 12, 13, 14];
/** V8's `OptimizationStatus::kOptimized` (`src/runtime/runtime.h`). */
const IS_OPTIMIZED = V8 < 14 ? 1 << 4 : 1 << 3;

/** Prints how many calls a function takes until V8 has optimized it. */
const PROGRAM = `
const { optimizeSooner } = await import(${JSON.stringify(OPTIMIZE_SOONER)});
if (process.argv[1] === "sooner") optimizeSooner();
function sum(n) { let total = 0; for (let i = 0; i < n; i++) total += i; return total; }
const status = new Function("f", "return %GetOptimizationStatus(f)");
let calls = 0;
while ((status(sum) & ${String(IS_OPTIMIZED)}) === 0 && calls < 1e6) { sum(10); calls++; }
console.log(calls);
`;

async function callsUntilOptimized(when: "sooner" | "by default") {
  const options = ["--allow-natives-syntax", "--no-concurrent-recompilation"];
  return await promisify(execFile)(
    process.execPath,
    [...options, "--input-type=module", "--eval", PROGRAM, when],
    { env: {} },
  );
}

void t.test("V8 optimizes sooner than by default, and knows the option", async (t) => {
  const sooner = await callsUntilOptimized("sooner");
  const byDefault = await callsUntilOptimized("by default");
  t.equal(sooner.stderr, "", "V8 has nothing to say against it");
  const [few, many] = [Number(sooner.stdout), Number(byDefault.stdout)];
  if (MEASURED.includes(V8)) t.ok(few > 1 && few * 2 < many, `${few} calls, not ${many}`);
  else t.equal(few, many, "another V8 is left alone");
});

const BUNDLE = new URL("../../server/dist/bundle.js", import.meta.url).href;
const REHEARSE = fileURLToPath(new URL("../../server/rehearse.mjs", import.meta.url));
const COMPILED = new URL("../../server/dist/serve.bundle.cjs.compiled", import.meta.url);
const LOAD = `
const { optimizeSooner } = await import(${JSON.stringify(OPTIMIZE_SOONER)});
const { loadBundle } = await import(${JSON.stringify(BUNDLE)});
optimizeSooner();
const { exports, isCompiled } = loadBundle();
console.log(typeof exports.serve, isCompiled);
process.exit();
`;

void t.test("a start has what V8 compiled at the rehearsal, and does without", async (t) => {
  const load = async (options: readonly string[]) => {
    const args = [...options, "--input-type=module", "--eval", LOAD];
    return (await promisify(execFile)(process.execPath, args, { env: {} })).stdout.trim();
  };
  // By this Node.js: another one may have built it.
  await promisify(execFile)(process.execPath, [REHEARSE]);
  const options = START_COMMAND.filter((word) => word.startsWith("--"));
  t.equal(await load(options), "function true");
  t.equal(await load(["--max-semi-space-size=9"]), "function false", "V8 has other options");
  const compiled = await readFile(COMPILED);
  t.teardown(() => writeFile(COMPILED, compiled));
  const at = compiled.length - 100_000;
  compiled.writeUInt8(compiled.readUInt8(at) ^ 1, at);
  await writeFile(COMPILED, compiled);
  t.equal(await load(options), "function false", "it is damaged, and would crash");
});
