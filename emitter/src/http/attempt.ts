/**
 * Runs one attempt of a call: where it takes too long, another one is made. A connection to a machine that is gone, or that
 * was killed as it was opened, is told of by nobody.
 *
 * @param signal - of the whole call: what aborts it, aborts the attempt
 * @param timeoutMs - of the attempt alone; it is then aborted with an error that says so
 */
export async function attemptWithin<T>(
  timeoutMs: number,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  // Not AbortSignal.timeout with AbortSignal.any: in Node 20 that pair can be collected before it fires.
  const attempt = new AbortController();
  const stop = () => {
    attempt.abort(signal.reason);
  };
  signal.addEventListener("abort", stop);
  const timer = setTimeout(() => {
    // `fetch` fails with it as its cause would be found.
    attempt.abort(
      new Error("", { cause: new Error(`no answer within ${String(Math.round(timeoutMs))} ms`) }),
    );
  }, timeoutMs);
  try {
    return await task(attempt.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
