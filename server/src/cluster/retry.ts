import { setTimeout as delay } from "node:timers/promises";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;

/**
 * Repeats `attempt` with growing pauses until it succeeds.
 *
 * @param signal - ends the repetition
 * @param onError - told of each failure
 * @throws the signal's reason once it is aborted
 */
export async function untilDone<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      onError(error);
    }
    await pause(failures, signal);
  }
}

/**
 * Repeats `attempt` with growing pauses until it succeeds, for as long as somebody waits for the answer.
 *
 * @param attempt - its signal is aborted once nobody waits any more
 * @param gone - aborted when who asks has gone
 * @throws what the last attempt failed by, once `timeoutMs` are over or who asks has gone
 */
export async function untilDoneWithin<T>(
  timeoutMs: number,
  attempt: (over: AbortSignal) => Promise<T>,
  gone?: AbortSignal,
): Promise<T> {
  const over = new AbortController();
  let lastError: unknown;
  const repeated = untilDone(
    () => attempt(over.signal),
    over.signal,
    (error) => {
      lastError = error;
    },
  );
  try {
    return await within(timeoutMs, gone ? unlessAborted(gone, repeated) : repeated);
  } catch (timedOut) {
    throw lastError ?? timedOut;
  } finally {
    over.abort();
  }
}

/** Waits before the next attempt, or until the signal aborts: 50 ms, doubled with each failure up to 1 s. */
export async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const limit = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
  // Jitter, so that replicas that lost Redis together do not come back together.
  await delay(limit / 2 + (Math.random() * limit) / 2, undefined, { signal }).catch(
    () => undefined,
  );
}

/**
 * Waits for `promise` no longer than `timeoutMs`.
 *
 * @throws where it takes longer; what it comes to is then nobody's business
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${String(timeoutMs)} ms`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for `promise` no longer than somebody wants to know.
 *
 * @throws the signal's reason once it is aborted; what the promise comes to is then nobody's business
 */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}
