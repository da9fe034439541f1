import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@inthon/emitter";
import { keepPublishing } from "../away/traffic.js";
import { readSizes } from "../readers/options.js";
import { BY_FIGURES_ALONE, FAULTS, type Fault } from "./faults.js";
import { watching, type Watching } from "./rules.js";
import { openWorld, type World } from "./world.js";

const PAUSE_MS = 500;
/** What the slowest alert takes, and as much again. */
const PATIENCE_MS = 240_000;
/** Longer than any rule looks back. */
const FORGOTTEN_MS = 300_000;
const ALL_IN_MS = 60_000;

/**
 * `npm run drill -- watched`: Debian's Prometheus scrapes three replicas, with the rules and the dashboard of
 * `k8s/components/monitoring`. At noon, and while a replica is replaced, no alert fires; then what each warns of is done,
 * and it fires; and each query of the dashboard has had figures. Rules wait and look back six times less than they do.
 *
 * @returns whether that was so
 */
export async function runWatched(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const { quiet, rate } = readSizes(args, { quiet: 30, rate: 10 });
  const watched = await watching();
  const startedAt = new Date();
  const world = await openWorld(watched);
  const over = new AbortController();
  const faults: string[] = [];
  try {
    const publishing = publish(world, rate, over.signal);
    print(`three replicas, ${String(world.crowd.clients.length)} clients, Prometheus each second`);
    faults.push(...(await noon(world, quiet * 1_000, print)));
    for (const group of FAULTS) faults.push(...(await provoke(world, group, print)));
    faults.push(...untried(watched));
    const empty = await emptyPanels(world, watched, startedAt);
    print(
      `${String(watched.queries.length - empty.length)} of ${String(watched.queries.length)} queries of the dashboard had figures`,
    );
    faults.push(...empty.map((query) => `no figures: ${query}`));
    over.abort();
    await publishing;
  } finally {
    over.abort();
    await world.close();
  }
  for (const fault of faults) print(fault);
  return faults.length === 0;
}

/** Services that publish, one half of the events over HTTP, and do not give up. */
async function publish(world: World, perS: number, over: AbortSignal): Promise<void> {
  const { crowd, sessions, emitter, url } = world;
  const overHttp = await connect(url);
  const publishNext = async (session: string, number: number): Promise<void> => {
    const question = { question_id: number, cleaned_text: "why?", capture_url: null };
    const options = { idempotencyKey: `${session}-${String(number)}`, timeoutMs: 30_000 };
    // A fault of this drill may take longer than that: the next one comes all the same.
    await (number % 2 === 0 ? emitter : overHttp)
      .emit(session, "new_question", question, options)
      .catch(() => undefined);
  };
  const source = { publish: publishNext, close: () => overHttp.close() };
  try {
    await keepPublishing(crowd, source, { sessions, perS }, over);
  } finally {
    await source.close();
  }
}

/** Nothing is wrong, and a replica is replaced. */
async function noon(
  { prometheus, replicas: [{ server }], crowd }: World,
  quietMs: number,
  print: (line: string) => void,
): Promise<string[]> {
  const fired = new Set<string>();
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      for (const name of await prometheus.firing()) fired.add(name);
      await delay(PAUSE_MS);
    }
  })();
  await delay(quietMs / 2);
  await server.restart();
  await crowd.allIn(ALL_IN_MS);
  await delay(quietMs / 2);
  over.abort();
  await looking;
  print(`at noon, and while a replica was replaced: ${[...fired].join(", ") || "no alert"}`);
  return [...fired].map((name) => `${name} fired though nothing was wrong`);
}

/** Has a group of faults happen at once, each until all of its alerts have fired. */
async function provoke(
  world: World,
  group: readonly Fault[],
  print: (line: string) => void,
): Promise<string[]> {
  const { prometheus } = world;
  // What comes of the group before must not be taken for what comes of this one, nor hide it.
  const isWell = await until(FORGOTTEN_MS, async () => {
    const areLinksUp = (await prometheus.ask("min(min_over_time(inthon_redis_up[5s]))")) === 1;
    return areLinksUp && (await prometheus.firing()).size === 0;
  });
  if (!isWell) {
    const firing = [...(await prometheus.firing())].join(", ");
    return group.map(
      ({ name }) => `could not begin, as ${firing || "a link"} was not well: ${name}`,
    );
  }
  const missing = await Promise.all(
    group.map(async ({ name, alerts, happen }) => {
      const over = new AbortController();
      const since = performance.now();
      const happening = happen(world, over.signal);
      const unheard = new Set(alerts);
      const heardAfter: string[] = [];
      const allFired = until(PATIENCE_MS, async () => {
        for (const alert of await prometheus.firing()) {
          if (!unheard.delete(alert)) continue;
          heardAfter.push(`${alert} after ${((performance.now() - since) / 1_000).toFixed(0)} s`);
        }
        return unheard.size === 0;
      });
      try {
        await Promise.all([
          allFired.finally(() => {
            over.abort();
          }),
          happening,
        ]);
      } finally {
        over.abort();
      }
      print(`${name}: ${[...heardAfter, ...[...unheard].map((it) => `${it} NEVER`)].join(", ")}`);
      return [...unheard].map((it) => `${it} did not fire: ${name}`);
    }),
  );
  await world.crowd.allIn(ALL_IN_MS);
  return missing.flat();
}

/** Alerts that nothing here provokes, though it should. */
function untried({ groups }: Watching): string[] {
  const tried = [...FAULTS.flat().flatMap(({ alerts }) => alerts), ...BY_FIGURES_ALONE];
  return groups
    .flatMap(({ rules }) => rules)
    .filter(({ alert }) => !tried.includes(alert))
    .map(({ alert }) => `nothing provokes ${alert}`);
}

async function emptyPanels(
  { prometheus }: World,
  { queries }: Watching,
  startedAt: Date,
): Promise<string[]> {
  const empty: string[] = [];
  for (const [title, query] of queries) {
    const values = await prometheus.since(query, startedAt);
    if (!values.some(Number.isFinite)) empty.push(`${title}: ${query}`);
  }
  return empty;
}

/** Whether that was so before the time was over. */
async function until(timeoutMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) return false;
    await delay(PAUSE_MS);
  }
  return true;
}
