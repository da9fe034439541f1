import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";

const TIER_UP = new URL("../../server/dist/optimize-sooner.js", import.meta.url).href;
/** V8's `OptimizationStatus` (`src/runtime/runtime.h`): by which compiler the function is optimized now. */
const IS_TURBOFAN = 1 << 6;

/** Prints how many calls a function takes until V8 has optimized it. */
const PROGRAM = `
const { optimizeSooner } = await import(${JSON.stringify(TIER_UP)});
if (process.argv[1] === "sooner") optimizeSooner();
function sum(n) { let total = 0; for (let i = 0; i < n; i++) total += i; return total; }
const status = new Function("f", "return %GetOptimizationStatus(f)");
let calls = 0;
while ((status(sum) & ${String(IS_TURBOFAN)}) === 0 && calls < 1e6) { sum(10); calls++; }
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
  if (process.versions.v8.startsWith("11.")) t.ok(few * 2 < many, `${few} calls, not ${many}`);
  else t.equal(few, many, "later versions of V8 are left alone");
});
