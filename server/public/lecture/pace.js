// How many said OK and HARD, over the last minutes. Pure: the time is always given.

/** A bar of the chart, and how many of them there are: ten minutes. */
export const BAR_MS = 20_000;
export const BARS = 30;
/** What "now" means where the share of HARD is told. */
export const RECENT_MS = 180_000;
/** Below so many votes a share says nothing. */
export const FEWEST_VOTES = 5;

/** No votes yet: bars by their start, oldest first, never more than `BARS`. */
export const newPace = () => [];

/** @returns the bars with one vote more */
export function vote(bars, type, atMs) {
  const start = startOf(atMs);
  const newest = Math.max(start, bars.at(-1)?.start ?? 0);
  const kept = bars.filter((bar) => bar.start > newest - BARS * BAR_MS);
  if (start <= newest - BARS * BAR_MS) return kept;
  const bar = kept.find((each) => each.start === start) ?? { start, ok: 0, hard: 0 };
  const more = type === "HARD" ? { ...bar, hard: bar.hard + 1 } : { ...bar, ok: bar.ok + 1 };
  return [...kept.filter((each) => each !== bar), more].sort((a, b) => a.start - b.start);
}

/** @returns `BARS` bars, oldest first, of which the last one is now */
export function barsUntil(bars, nowMs) {
  const newest = startOf(nowMs);
  return Array.from({ length: BARS }, (_, index) => {
    const start = newest - (BARS - 1 - index) * BAR_MS;
    return bars.find((bar) => bar.start === start) ?? { start, ok: 0, hard: 0 };
  });
}

/** @returns the votes after `sinceMs`, and the share of HARD among them: 0 to 1, `undefined` without votes */
export function sum(bars, sinceMs) {
  let ok = 0;
  let hard = 0;
  for (const bar of bars) {
    if (bar.start + BAR_MS <= sinceMs) continue;
    ok += bar.ok;
    hard += bar.hard;
  }
  return { ok, hard, share: ok + hard > 0 ? hard / (ok + hard) : undefined };
}

/** Whether so many find it hard that the teacher is offered to say so, after `alertedAtMs`, the last time. */
export function isTooHard(bars, { nowMs, threshold, alertedAtMs }) {
  if (nowMs - alertedAtMs < RECENT_MS) return false;
  const { ok, hard, share } = sum(bars, nowMs - RECENT_MS);
  return ok + hard >= FEWEST_VOTES && share >= threshold;
}

function startOf(atMs) {
  return Math.floor(atMs / BAR_MS) * BAR_MS;
}
