import type { Publisher } from "@inthon/emitter";
import type { SessionId } from "@inthon/emitter/protocol";
import type { PresenceStore } from "../cluster/ports.js";
import { untilDone } from "../cluster/retry.js";
import type { Logger } from "../telemetry/log.js";

/** Long enough for any retry of one announcement; its version guards it afterwards. */
const IDEMPOTENCY_TTL_MS = 60_000;

/** Keeps the session's teachers in the cluster's presence, and announces when that changes its state. */
export class Presence {
  readonly #store: PresenceStore;
  readonly #publisher: Publisher;
  readonly #nodeId: string;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  /** The last change under way in each session: changes of one session are carried out one after the other. */
  readonly #queues = new Map<SessionId, Promise<void>>();

  constructor(
    store: PresenceStore,
    publisher: Publisher,
    options: { nodeId: string; log: Logger },
  ) {
    this.#store = store;
    this.#publisher = publisher;
    this.#nodeId = options.nodeId;
    this.#log = options.log;
  }

  /**
   * Resolves when the teacher is in the presence set and the session's students have been told if that is news.
   *
   * @param socketId - unique on this replica
   * @param isWanted - asked before each attempt: whether the connection still lives
   */
  join(sessionId: SessionId, socketId: string, isWanted: () => boolean): Promise<void> {
    return this.#enqueue(sessionId, async () => {
      if (isWanted()) await this.#change(sessionId, socketId, "join");
    });
  }

  /** Takes the teacher out, also where Redis is away: then as soon as it is back. */
  leave(sessionId: SessionId, socketId: string): void {
    this.#enqueue(sessionId, () => this.#change(sessionId, socketId, "leave")).catch(
      (error: unknown) => {
        if (!this.#closing.signal.aborted) {
          this.#log.error({ err: error, session: sessionId }, "a teacher could not be taken out");
        }
      },
    );
  }

  /** Waits until what is under way is done, or `timeoutMs` have passed. */
  async close(timeoutMs: number): Promise<void> {
    const giveUp = setTimeout(() => {
      this.#closing.abort();
    }, timeoutMs);
    await Promise.allSettled(this.#queues.values());
    clearTimeout(giveUp);
    this.#closing.abort();
  }

  #enqueue(sessionId: SessionId, task: () => Promise<void>): Promise<void> {
    const before = this.#queues.get(sessionId) ?? Promise.resolve();
    const after = before.then(() => this.#retry(task));
    const settled = after
      .catch(() => undefined)
      .finally(() => {
        if (this.#queues.get(sessionId) === settled) this.#queues.delete(sessionId);
      });
    this.#queues.set(sessionId, settled);
    return after;
  }

  #retry(task: () => Promise<void>): Promise<void> {
    return untilDone(task, this.#closing.signal, (error) => {
      this.#log.warn({ err: error }, "presence waits for Redis");
    });
  }

  async #change(sessionId: SessionId, socketId: string, change: "join" | "leave"): Promise<void> {
    const member = `${this.#nodeId}/${socketId}`;
    const { version } = await this.#store.change(sessionId, member, change);
    // Also where this change made no new version: whoever made it may have died before announcing it.
    const event = {
      event: "teacher_presence",
      is_online: version % 2 === 1,
      changed_at: new Date().toISOString(),
    } as const;
    const publication = {
      sessionId,
      event,
      version,
      idempotencyKey: `presence/${String(version)}`,
      idempotencyTtlMs: IDEMPOTENCY_TTL_MS,
    };
    await this.#publisher.publish([publication], this.#closing.signal);
  }
}
