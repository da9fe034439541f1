import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { KEPT_SEEDS } from "./kept-seeds.js";
import { planOf } from "./search/plan.js";
import { runPlan } from "./search/run-plan.js";
import { storyOf } from "./search/story.js";

const SEARCH_MS = 12_000;
/** With Sentinels, alone, and a cluster; most kinds of faults are among them. */
const TRACED_SEEDS = [148, 237, 245] as const;

/** In a process of its own: nothing that this one has done before can matter. */
async function traceElsewhere(seed: number): Promise<string> {
  const program = fileURLToPath(new URL("simulate.ts", import.meta.url));
  const args = ["--import", "tsx", program, "--seed", String(seed), "--trace"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
  return stdout;
}

void t.test("the same seed gives the same trace, byte for byte", async (t) => {
  for (const seed of TRACED_SEEDS) {
    const { trace } = await runPlan(planOf(seed));
    const text = trace.join("\n");
    t.ok(trace.length > 50, `seed ${String(seed)} tells something`);
    const again = await runPlan(planOf(seed));
    t.equal(digest(again.trace.join("\n")), digest(text), "in this process");
    const elsewhere = await traceElsewhere(seed);
    t.equal(digest(elsewhere.slice(0, text.length)), digest(text), "in another one");
  }
});

void t.test("seeds that once broke a promise do so no more", async (t) => {
  for (const [seed, what] of KEPT_SEEDS) await plays(t, seed, what);
});

void t.test("seeds that nobody has played yet break no promise", async (t) => {
  const end = Date.now() + SEARCH_MS;
  let played = 0;
  for (let seed = Date.now(); Date.now() < end; seed++) {
    await plays(t, seed);
    played++;
  }
  t.comment(`${String(played)} schedules`);
});

async function plays(t: Test, seed: number, what = "a fresh one"): Promise<void> {
  const plan = planOf(seed);
  const outcome = await runPlan(plan);
  if (outcome.violations.length > 0) t.fail(storyOf(plan, outcome));
  else t.pass(`seed ${String(seed)}: ${what}`);
}

function digest(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
