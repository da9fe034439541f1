/**
 * `npm run simulate -- --minutes 30`: worlds of fresh seeds, until the time is over or one breaks a promise; that one is made
 * smaller and told. `-- --seed 7` plays one seed, and tells what happened; `-- --from 1 --count 1000` plays those, and tells
 * which rules were broken by how many. `-- --faults-put-back` puts each mended fault back into a copy of the product, and
 * tells how many schedules it takes to find it.
 */
import { parseArgs } from "node:util";
import { putFaultsBack, type Finding } from "./put-back/put-back.js";
import type { Plan } from "./search/happening.js";
import { planOf } from "./search/plan.js";
import { runPlan } from "./search/run-plan.js";
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
    count: { type: "string" },
    trace: { type: "boolean", default: false },
    // Says in one line what was found, for who has started it.
    brief: { type: "boolean", default: false },
    "faults-put-back": { type: "boolean", default: false },
    only: { type: "string" },
  },
});

async function playOne(seed: number): Promise<void> {
  const plan = planOf(seed);
  const outcome = await runPlan(plan);
  if (values.trace) print(outcome.trace.join("\n"));
  if (outcome.violations.length === 0) print(`Seed ${String(seed)}: every promise is kept.`);
  else await explain(seed);
}

async function explain(seed: number): Promise<void> {
  const plan = planOf(seed);
  const ruleOf = async (tried: Plan) => (await runPlan(tried)).violations[0]?.rule;
  const rule = await ruleOf(plan);
  const doesBreak = async (smaller: Plan) => (await ruleOf(smaller)) === rule;
  const small = await shrink(plan, doesBreak, Date.now() + SHRINK_MS);
  print(storyOf(small, await runPlan(small)));
  process.exitCode = 1;
}

async function search(
  first: number,
  isOver: (played: number) => boolean,
  goOn: boolean,
): Promise<void> {
  const began = performance.now();
  const broken = new Map<string, number[]>();
  let [played, virtualMs, published] = [0, 0, 0];
  for (let seed = first; !isOver(played); seed++) {
    const outcome = await runPlan(planOf(seed));
    played++;
    virtualMs += outcome.ms;
    published += outcome.published;
    const [violation] = outcome.violations;
    if (!violation) continue;
    const seeds = broken.get(violation.rule) ?? [];
    broken.set(violation.rule, [...seeds, seed]);
    if (goOn) continue;
    if (!values.brief) await explain(seed);
    break;
  }
  if (values.brief) {
    const [first] = broken;
    const [rule, seeds] = first ?? [];
    const seed = seeds?.[0];
    const finding = { played, seed, rule } satisfies { [P in keyof Finding]: unknown };
    print(`FOUND ${JSON.stringify(finding)}`);
    return;
  }
  const minutes = (performance.now() - began) / 60_000;
  for (const [rule, seeds] of broken) {
    print(
      `${rule}: ${String(seeds.length)} of ${String(played)}, first by seeds ${seeds.slice(0, 8).join(" ")}`,
    );
    process.exitCode = 1;
  }
  const perMinute = Math.round(played / minutes);
  const hours = (virtualMs / 3_600_000 / minutes).toFixed(1);
  print(
    `${String(played)} schedules from seed ${String(first)}, ${String(published)} events published: ${String(perMinute)} schedules and ${hours} virtual hours a minute, ${String(broken.size)} rules broken`,
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (values["faults-put-back"]) {
  const missed = await putFaultsBack({
    from: Number(values.from ?? 1),
    count: Number(values.count ?? PUT_BACK_COUNT),
    only: values.only,
    tell: print,
  });
  if (missed.length > 0) process.exitCode = 1;
} else if (values.seed !== undefined) await playOne(Number(values.seed));
else {
  const first = Number(values.from ?? Math.floor(Date.now() / 1_000) * 1_000);
  const count = values.count === undefined ? undefined : Number(values.count);
  const end = Date.now() + Number(values.minutes) * 60_000;
  await search(
    first,
    (played) => (count === undefined ? Date.now() >= end : played >= count),
    count !== undefined && !values.brief,
  );
}
