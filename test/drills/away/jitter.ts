import { setTimeout as delay } from "node:timers/promises";
import { readSizes } from "../readers/options.js";
import { withOnlyReplica } from "./alone.js";
import { contestants } from "./contestants.js";
import type { Crowd, CrowdReport } from "./crowd.js";
import { keepPublishing } from "./traffic.js";

const TIMEOUT_MS = 120_000;
/** How often each client loses its connection, and how long it stays away then. */
const EVERY_MS = 15_000;
const AWAY_MS = 2_000;
const TICK_MS = 100;

/**
 * `npm run drill -- jitter --clients 5000 --events 120 --rate 2`: every client loses its connection for about 2 s in every
 * 15, as on a train, while one lecture's events come; ours and the stock server.
 *
 * @returns whether all had all of ours
 */
export async function runJitter(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = readSizes(args, { clients: 5_000, events: 120, rate: 2 });
  const reports: CrowdReport[] = [];
  for (const contestant of contestants()) {
    const sizes = { clients: options.clients, sessions: 1, pauseMs: AWAY_MS };
    const report = await withOnlyReplica(contestant, sizes, async ({ crowd, sessions, source }) => {
      const over = new AbortController();
      const rate = { sessions, perS: options.rate };
      const publishing = keepPublishing(crowd, source, rate, over.signal);
      const dropping = keepDropping(crowd, over.signal);
      await delay((1_000 * options.events) / options.rate);
      over.abort();
      await Promise.all([publishing, dropping]);
      await crowd.allIn(TIMEOUT_MS);
      await crowd.settle(contestant.name === "ours" ? TIMEOUT_MS : 1_000);
      return crowd.report();
    });
    reports.push(report);
    const { replayMs, expected, lost } = report;
    const share = (100 * (expected - lost)) / expected;
    print(
      `${contestant.name.padEnd(6)} ${report.clients} clients, ${report.drops} drops: ${share.toFixed(1)} % of ${expected} delivered, ` +
        `${report.doubled} doubled; replay p95 ${String(Math.round(replayMs.p95))} ms, p99 ${String(Math.round(replayMs.p99))} ms`,
    );
  }
  const [ours] = reports;
  return ours !== undefined && ours.lost + ours.doubled + ours.neverBack === 0;
}

/** One after the other, each once in its time. */
async function keepDropping(crowd: Crowd, signal: AbortSignal): Promise<void> {
  const { clients } = crowd;
  let next = 0;
  const startedAt = performance.now();
  while (!signal.aborted) {
    const due = ((performance.now() - startedAt) / EVERY_MS) * clients.length;
    for (; next < due; next++) clients[next % clients.length]?.drop();
    await delay(TICK_MS);
  }
}
