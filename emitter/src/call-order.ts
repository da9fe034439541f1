import type { SessionId } from "./protocol/index.js";
import type { PublishCall } from "./publish-call.js";

/** Calls of a session that wait to be made again, or for those that do. */
interface Waiting {
  calls: PublishCall[];
  /** Whether they have waited long enough, and only for attempts that are under way. */
  isDue: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Keeps the order of each session's calls while some of them are made again: whoever comes later waits for them, and all go out
 * together, in the order in which they were made.
 *
 * Where nothing fails it knows nothing, and costs nothing but a look at whether that is so.
 */
export class CallOrder {
  /** Those that have not settled, in their order. */
  readonly #calls: ReadonlySet<PublishCall>;
  readonly #waiting = new Map<SessionId, Waiting>();
  /** Attempts under way of each session, while anybody waits. */
  readonly #underWay = new Map<SessionId, Set<PublishCall>>();

  constructor(calls: ReadonlySet<PublishCall>) {
    this.#calls = calls;
  }

  /** Makes a call, or has it wait for those before it. */
  start(call: PublishCall): void {
    if (this.#waiting.size > 0) {
      const waiting = this.#waiting.get(call.sessionId);
      if (waiting) {
        waiting.calls.push(call);
        return;
      }
      this.#note(call);
    }
    call.start();
  }

  /** An attempt has ended, whichever way. Told after {@link CallOrder.again}. */
  onAttempted(call: PublishCall): void {
    if (this.#waiting.size === 0) return;
    const { sessionId } = call;
    const underWay = this.#underWay.get(sessionId);
    underWay?.delete(call);
    if (underWay?.size === 0) this.#underWay.delete(sessionId);
    const waiting = this.#waiting.get(sessionId);
    if (waiting?.isDue === true) this.#release(sessionId, waiting);
  }

  /** Its last attempt failed in passing: makes it again after a while, before all that came later. */
  again(call: PublishCall, pauseMs: number): void {
    const { sessionId } = call;
    if (this.#waiting.size === 0) this.#begin();
    const known = this.#waiting.get(sessionId);
    if (known) {
      known.calls.push(call);
      return;
    }
    const waiting: Waiting = { calls: [call], isDue: false, timer: undefined };
    waiting.timer = setTimeout(() => {
      waiting.isDue = true;
      this.#release(sessionId, waiting);
    }, pauseMs);
    this.#waiting.set(sessionId, waiting);
  }

  /**
   * Asks once more for what is published: whoever comes later need not wait. Who is made again does, for the answer, as that
   * may be that it has to be published once more.
   */
  confirm(call: PublishCall): void {
    if (this.#waiting.size > 0) this.#note(call);
    call.start();
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#underWay.clear();
  }

  #begin(): void {
    for (const call of this.#calls) if (call.isUnderWay) this.#note(call);
  }

  #note(call: PublishCall): void {
    const underWay = this.#underWay.get(call.sessionId);
    if (underWay) underWay.add(call);
    else this.#underWay.set(call.sessionId, new Set([call]));
  }

  #release(sessionId: SessionId, { calls }: Waiting): void {
    // Nobody knows yet what becomes of these, and they were made before.
    if (this.#underWay.has(sessionId)) return;
    this.#waiting.delete(sessionId);
    if (this.#waiting.size === 0) this.#underWay.clear();
    calls.sort((one, other) => one.order - other.order);
    for (const call of calls) if (!call.isSettled) this.start(call);
  }
}
