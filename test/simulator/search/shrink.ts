import type { Happening, Plan } from "./happening.js";

/** More than most need. */
const MAX_RUNS = 300;

/**
 * The smallest plan that is found to break the same rule: with fewer faults, clients, events, replicas and publishers. One
 * that is left out may change what chance decides for the others, so what remains is tried, and not reasoned about.
 *
 * @param doesBreak - whether a plan breaks the rule
 */
export async function shrink(
  plan: Plan,
  doesBreak: (smaller: Plan) => Promise<boolean>,
  deadline: number,
): Promise<Plan> {
  let runs = 0;
  let best = plan;
  const breaks = async (smaller: Plan): Promise<boolean> => {
    if (runs >= MAX_RUNS || Date.now() > deadline) return false;
    runs++;
    return doesBreak(smaller);
  };
  const take = async (smaller: Plan): Promise<boolean> => {
    if (!(await breaks(smaller))) return false;
    best = smaller;
    return true;
  };
  await take({ ...best, settings: {} });
  for (const kind of ["fault", "emit", "all"] as const) {
    for (let part = 2; part <= 64; part *= 2) {
      for (let i = 0; i < part; i++) {
        const chosen = best.happenings.filter((one, at) => isOf(one, kind) && !isNeeded(best, at));
        const from = Math.floor((chosen.length * i) / part);
        const gone = new Set(chosen.slice(from, Math.floor((chosen.length * (i + 1)) / part)));
        if (gone.size === 0) continue;
        const happenings = best.happenings.filter((one) => !gone.has(one));
        if (await take({ ...best, happenings })) i--;
        if (chosen.length === 0) break;
      }
    }
  }
  // From the last one on: the numbers of the others stay.
  for (let client = best.clients.length - 1; client >= 0; client--) {
    await take(withoutClient(best, client));
  }
  while (best.replicas > 1 && (await take({ ...best, replicas: best.replicas - 1 })));
  while (best.publishers > 1 && (await take({ ...best, publishers: best.publishers - 1 })));
  return best;
}

/** Whether it is what everybody does in the end: else it is no wonder that somebody is not there. */
function isNeeded({ happenings }: Plan, at: number): boolean {
  const one = happenings[at];
  if (one?.kind !== "join" && one?.kind !== "read on") return false;
  return !happenings
    .slice(at + 1)
    .some((later) => later.kind === one.kind && later.client === one.client);
}

function isOf(happening: Happening, kind: "fault" | "emit" | "all"): boolean {
  return kind === "all" || happening.kind === kind;
}

function withoutClient(plan: Plan, gone: number): Plan {
  const happenings = plan.happenings.flatMap((one): Happening[] => {
    if (!("client" in one) || one.client < gone) return [one];
    return one.client === gone ? [] : [{ ...one, client: one.client - 1 }];
  });
  return { ...plan, clients: plan.clients.filter((_, i) => i !== gone), happenings };
}
