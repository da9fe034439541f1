import { setMaxListeners } from "node:events";
import { toEmitterError } from "@inthon/emitter";
import type { SessionId } from "@inthon/emitter/protocol";
import { untilDone } from "../../cluster/retry.js";
import type { Logger } from "../../telemetry/log.js";

/**
 * Carries out changes of presence: those of one session one after the other, and each as often as it takes, until Redis is
 * there or the signal ends all of them.
 */
export class Changes {
  readonly #signal: AbortSignal;
  readonly #log: Logger;
  /** The last change under way in each session. */
  readonly #last = new Map<SessionId, Promise<void>>();

  constructor(signal: AbortSignal, log: Logger) {
    this.#signal = signal;
    this.#log = log;
    // Each session whose change waits for Redis listens to it.
    setMaxListeners(0, signal);
  }

  /** Resolves when the change is done; rejects where it is not done any more. */
  run(sessionId: SessionId, change: () => Promise<void>): Promise<void> {
    const before = this.#last.get(sessionId) ?? Promise.resolve();
    const after = before.then(() =>
      untilDone(change, this.#signal, (error) => {
        const { code } = toEmitterError(error);
        const what = "a change of presence waits for Redis, trying again";
        this.#log.warn({ err: error, code, session: sessionId }, what);
      }),
    );
    const settled = after
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(sessionId) === settled) this.#last.delete(sessionId);
      });
    this.#last.set(sessionId, settled);
    return after;
  }

  /** The same where nobody waits for it. */
  inBackground(
    sessionId: SessionId,
    change: () => Promise<void>,
    onEnd: () => void = () => undefined,
  ): void {
    this.run(sessionId, change)
      .catch((error: unknown) => {
        if (this.#signal.aborted) return;
        this.#log.error({ err: error, session: sessionId }, "presence could not be changed");
      })
      .finally(onEnd);
  }

  /** Resolve, each when what is under way now in a session is done, or has come to nothing. */
  get underWay(): readonly Promise<void>[] {
    return [...this.#last.values()];
  }
}
