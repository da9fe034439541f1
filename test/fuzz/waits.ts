/** Between two looks at the time. */
const TICK_MS = 50;
/** More between two looks is time in which this process was not run, or had no time to look. */
const MAX_STEP_MS = 2 * TICK_MS;

const STARTED_AT = performance.now();
let passedMs = 0;
let lookedAt = STARTED_AT;
setInterval(() => {
  passedMs = ownMs();
  lookedAt = performance.now();
}, TICK_MS).unref();

/**
 * Milliseconds by a clock that stands still while this process is not run: on a machine that has no time for it, nobody
 * is said to have kept it waiting.
 */
export function ownMs(): number {
  return passedMs + Math.min(performance.now() - lookedAt, MAX_STEP_MS);
}

/** Milliseconds in which this process was not run, since it began. */
export function lostMs(): number {
  return performance.now() - STARTED_AT - ownMs();
}

/** A wait of the fuzzer's own is over: what it was for is not known, and that says nothing of the server. */
export class WaitOver extends Error {}

/**
 * Every wait of the fuzzer ends here, at the latest.
 *
 * @param what - is waited for, as the message says it
 * @throws WaitOver after so many milliseconds of {@link ownMs}
 */
export async function within<T>(ms: number, what: string, awaited: Promise<T>): Promise<T> {
  const endsAt = ownMs() + ms;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    const late = new WaitOver(`the fuzzer has waited ${String(ms / 1_000)} s in vain for ${what}`);
    timer = setInterval(() => {
      if (ownMs() >= endsAt) reject(late);
    }, TICK_MS);
  });
  try {
    return await Promise.race([awaited, over]);
  } finally {
    clearInterval(timer);
  }
}
