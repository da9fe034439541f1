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

/** What is done when a process ends. */
export interface Duties {
  close(ending: Ending): Promise<void>;
  /** Called before it ends as it is told to once more. */
  onSecondSignal(signal: NodeJS.Signals): void;
  /** Called before it ends as closing takes too long. */
  onOvertime(): void;
  /** Called before it ends as closing has failed, or as something else has meanwhile. */
  onErrorWhileClosing(error: unknown): void;
}

/**
 * Calls `close` once, at the first signal or unexpected error, and ends the process when it has resolved; at a second one,
 * or when `graceMs` have passed, it ends at once. Whatever it ends for besides a first signal has been told before, and
 * its exit code is 1: but for an error that is `undefined`, which nothing of ours throws.
 */
export function endInOrder(graceMs: number, duties: Duties): void {
  let first: { readonly signal: NodeJS.Signals | undefined; readonly atMs: number } | undefined;
  const begin = (signal?: NodeJS.Signals) => (first ??= { signal, atMs: performance.now() });
  const grace = closeWithGrace(
    {
      delay: graceMs,
      logger: false,
      // A process that has nothing to do any more has not started, and has said why.
      skip: [...SIGNALS, "unhandledRejection", "beforeExit"],
      onSecondSignal: (signal) => {
        duties.onSecondSignal(signal as NodeJS.Signals);
      },
      onTimeout: () => {
        duties.onOvertime();
      },
      onSecondError: (error) => {
        duties.onErrorWhileClosing(error);
      },
    },
    async ({ signal, err }) => {
      try {
        await duties.close({ signal: begin(signal).signal, err });
      } catch (error) {
        duties.onErrorWhileClosing(error);
        throw error;
      }
    },
  );
  // A reason may be anything, and nothing as well: that would be taken for no error, and the process would end with code 0.
  process.on("unhandledRejection", (reason) => {
    if (reason instanceof Error) throw reason;
    throw new Error("a promise was rejected that nobody awaits", { cause: reason });
  });
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (first === undefined) {
        begin(signal);
        grace.close();
        return;
      }
      if (first.signal === undefined) {
        // It ends in order already, for an error.
        first = { signal, atMs: performance.now() };
        return;
      }
      const isHeardTwice =
        signal === first.signal && performance.now() - first.atMs < HEARD_TWICE_WITHIN_MS;
      if (isHeardTwice) return;
      duties.onSecondSignal(signal);
      process.exit(1);
    });
  }
}
