import { SECONDS } from "../../telemetry/distribution.js";

/** How long writing took that was observed: events of one turn are one. What half of them, and all but a hundredth, took at most; in milliseconds. `null` where there were none. */
export interface Lag {
  readonly samples: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
}

/** @param counts - how many were in each of the ranges of {@link SECONDS}, the last one without an end */
export function lagOf(counts: readonly number[]): Lag {
  const samples = counts.reduce((sum, count) => sum + count, 0);
  return {
    samples,
    p50_ms: quantile(counts, samples, 0.5),
    p99_ms: quantile(counts, samples, 0.99),
  };
}

/** As Prometheus reckons it: within a range they are taken to be spread evenly. */
function quantile(counts: readonly number[], samples: number, part: number): number | null {
  if (samples === 0) return null;
  const wanted = part * samples;
  let below = 0;
  for (const [range, count] of counts.entries()) {
    if (below + count < wanted) {
      below += count;
      continue;
    }
    const from = SECONDS[range - 1] ?? 0;
    const to = SECONDS[range] ?? from;
    return round((from + ((to - from) * (wanted - below)) / count) * 1_000);
  }
  return null;
}

function round(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
}
