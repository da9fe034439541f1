import closeWithGrace from "close-with-grace";

/** Why a process ends: it was told to, or something unexpected happened. */
export interface Ending {
  readonly signal: NodeJS.Signals | undefined;
  readonly err: Error | undefined;
}

/** What people and supervisors send, and `npm start` passes on. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/**
 * Ctrl-C in a terminal reaches everything that runs in it, npm and what npm has started; and npm passes on what reaches
 * it. So the same signal again, so soon, is the same one, heard twice.
 */
const HEARD_TWICE_WITHIN_MS = 1_000;

/**
 * Calls `close` once, at the first signal or unexpected error, and ends the process when it has resolved; at a second one,
 * or when `graceMs` have passed, it ends at once.
 *
 * @param onOvertime - called before it ends for the latter
 */
export function endInOrder(
  graceMs: number,
  close: (ending: Ending) => Promise<void>,
  onOvertime: () => void,
): void {
  let first: { readonly signal: NodeJS.Signals | undefined; readonly atMs: number } | undefined;
  const begin = (signal?: NodeJS.Signals) => (first ??= { signal, atMs: performance.now() });
  const grace = closeWithGrace(
    { delay: graceMs, logger: false, skip: [...SIGNALS], onTimeout: onOvertime },
    async ({ signal, err }) => close({ signal: begin(signal).signal, err }),
  );
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (first === undefined) {
        begin(signal);
        grace.close();
        return;
      }
      const isHeardTwice =
        signal === first.signal && performance.now() - first.atMs < HEARD_TWICE_WITHIN_MS;
      if (!isHeardTwice) process.exit(1);
    });
  }
}
