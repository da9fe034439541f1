import { readSizes } from "../readers/options.js";
import { withOnlyReplica } from "./alone.js";
import { contestants } from "./contestants.js";
import type { CrowdReport } from "./crowd.js";
import { keepPublishing } from "./traffic.js";

const TIMEOUT_MS = 120_000;

/**
 * `npm run drill -- avalanche --clients 5000`: the only replica is killed and starts again at once, ours and the stock
 * server's: who comes back, and when.
 *
 * @returns whether all came back to ours and missed nothing, no later than to the stock server
 */
export async function runAvalanche(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = readSizes(args, { clients: 5_000, sessions: 20, rate: 20 });
  const reports: CrowdReport[] = [];
  for (const contestant of contestants()) {
    const report = await withOnlyReplica(contestant, options, async (alone) => {
      const { crowd, sessions, source } = alone;
      const over = new AbortController();
      const rate = { sessions, perS: options.rate };
      const publishing = keepPublishing(crowd, source, rate, over.signal);
      await alone.crash();
      await crowd.allIn(TIMEOUT_MS);
      over.abort();
      await publishing;
      await crowd.settle(contestant.name === "ours" ? TIMEOUT_MS : 1_000);
      return crowd.report();
    });
    reports.push(report);
    const { awayMs } = report;
    print(
      `${contestant.name.padEnd(6)} ${report.clients} clients: ${report.neverBack} stay away, ${report.lost} of ${report.expected} events lost; ` +
        `away p50 ${seconds(awayMs.p50)}, p95 ${seconds(awayMs.p95)}, the last ${seconds(awayMs.max)}`,
    );
  }
  const [ours, stock] = reports;
  if (!ours || !stock) return false;
  const isSooner = ours.awayMs.p95 <= stock.awayMs.p95 && ours.awayMs.max <= stock.awayMs.max;
  return ours.neverBack + ours.lost + ours.doubled === 0 && isSooner;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
