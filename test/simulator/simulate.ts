/**
 * `npm run simulate -- --minutes 30`: worlds of fresh seeds, until the time is over or one breaks a promise; that one is made
 * smaller and told. `-- --seed 7` plays one seed, and tells what happened; `-- --from 1 --count 1000` plays those, and tells
 * which rules were broken by how many. `--workers 2` does it by two processes, `--redis cluster` in such worlds only.
 * `-- --faults-put-back` puts each mended fault back into a copy of the product, and tells how many schedules it takes to
 * find it.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { putFaultsBack } from "./put-back/put-back.js";
import type { Plan } from "./search/happening.js";
import { planOf, settingOf } from "./search/plan.js";
import { runPlan } from "./search/run-plan.js";
import { search, searchBySeveral, type Findings, type SearchOptions } from "./search/search.js";
import { shrink } from "./search/shrink.js";
import { storyOf } from "./search/story.js";

const SHRINK_MS = 60_000;
/** How many schedules a fault that was put back may take to be found. */
const PUT_BACK_COUNT = 3_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "1" },
    from: { type: "string" },
    step: { type: "string", default: "1" },
    count: { type: "string" },
    workers: { type: "string", default: "1" },
    redis: { type: "string" },
    trace: { type: "boolean", default: false },
    // Says in one line what was found, for who has started it.
    brief: { type: "boolean", default: false },
    "goes-on": { type: "boolean", default: false },
    "faults-put-back": { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const redis = values.redis === undefined ? undefined : settingOf(values.redis);
const workers = Number(values.workers);

async function playOne(seed: number): Promise<void> {
  const plan = planOf(seed, redis);
  const outcome = await runPlan(plan);
  if (values.trace) print(outcome.trace.join("\n"));
  if (outcome.violations.length === 0) print(`Seed ${String(seed)}: every promise is kept.`);
  else await explain(seed);
}

async function explain(seed: number): Promise<void> {
  const plan = planOf(seed, redis);
  const ruleOf = async (tried: Plan) => (await runPlan(tried)).violations[0]?.rule;
  const rule = await ruleOf(plan);
  const doesBreak = async (smaller: Plan) => (await ruleOf(smaller)) === rule;
  const small = await shrink(plan, doesBreak, Date.now() + SHRINK_MS);
  print(storyOf(small, await runPlan(small)));
  process.exitCode = 1;
}

async function searchAndTell(): Promise<void> {
  const began = performance.now();
  const options: SearchOptions = {
    from: Number(values.from ?? Math.floor(Date.now() / 1_000) * 1_000),
    step: Number(values.step),
    count: values.count === undefined ? undefined : Number(values.count),
    minutes: Number(values.minutes),
    // Who names the seeds wants to know of all of them.
    goesOn: values["goes-on"] || (values.count !== undefined && !values.brief),
    redis,
  };
  const found = await (workers > 1
    ? searchBySeveral(workers, options, commandOf)
    : search(options));
  if (values.brief) print(`FOUND ${JSON.stringify(found satisfies Findings)}`);
  else await tell(found, options, (performance.now() - began) / 60_000);
}

async function tell(
  { broken, played, published, virtualMs }: Findings,
  { from, goesOn }: SearchOptions,
  minutes: number,
): Promise<void> {
  const first = broken[0]?.[1][0];
  if (first !== undefined && !goesOn) await explain(first);
  for (const [rule, seeds] of broken) {
    print(
      `${rule}: ${String(seeds.length)} of ${String(played)}, first by seeds ${seeds.slice(0, 8).join(" ")}`,
    );
    process.exitCode = 1;
  }
  const perMinute = Math.round(played / minutes);
  const hours = (virtualMs / 3_600_000 / minutes).toFixed(1);
  print(
    `${String(played)} schedules from seed ${String(from)}, ${String(published)} events published: ${String(perMinute)} schedules and ${hours} virtual hours a minute, ${String(broken.length)} rules broken`,
  );
}

/** What does a part of a search. */
function commandOf({ from, step, count, minutes, goesOn }: SearchOptions): readonly string[] {
  return [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    ...["--from", String(from), "--step", String(step), "--minutes", String(minutes), "--brief"],
    ...(count === undefined ? [] : ["--count", String(count)]),
    ...(goesOn ? ["--goes-on"] : []),
    ...(values.redis === undefined ? [] : ["--redis", values.redis]),
  ];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (values["faults-put-back"]) {
  const missed = await putFaultsBack({
    from: Number(values.from ?? 1),
    count: Number(values.count ?? PUT_BACK_COUNT),
    workers,
    only: values.only,
    tell: print,
  });
  if (missed.length > 0) process.exitCode = 1;
} else if (values.seed !== undefined) await playOne(Number(values.seed));
else await searchAndTell();
