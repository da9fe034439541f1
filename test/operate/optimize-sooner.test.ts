import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";

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
