import t from "tap";
import { ensureTool } from "../../helpers/tools/tools.js";
import { contestants } from "./contestants.js";
import { drainOf, noticed, rolling } from "./rolling.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

// Three replicas go, each in its time.
t.setTimeout(240_000);

const SIZES = { clients: 40, sessions: 2, rate: 20, askers: 4, delay: 3_000, spread: 1_500 };

for (const [balancer, installed] of [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const) {
  void t.test(`behind ${balancer}, nobody is hurt by a rollout`, async (t) => {
    await installed();
    const [ours] = contestants(drainOf(SIZES));
    if (!ours) throw new Error("nobody takes part");
    const report = await rolling(ours, balancer, SIZES);
    t.comment(JSON.stringify(report));
    t.strictSame(
      noticed(report),
      {},
      "all are back, each was dropped once, nobody missed anything",
    );
    t.ok(report.drops > 0 && report.expected > 0);
  });
}
