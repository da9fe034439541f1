/** Somebody who is not read for a while. */
export interface Waiting {
  /** Called when it has waited. @returns whether it has to wait again */
  hasToWait(nowMs: number): boolean;
}

/** How long each waits before it is looked at again. */
export const WAIT_MS = 250;
const TICK_MS = 25;

/** Those who wait, looked at in the order in which they came: with one timer for all, and none while nobody waits. */
export class WaitingList {
  readonly #dueMs = new Map<Waiting, number>();
  #timer: NodeJS.Timeout | undefined;

  add(member: Waiting): void {
    this.#dueMs.set(member, performance.now() + WAIT_MS);
    this.#timer ??= setInterval(() => {
      this.#look();
    }, TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#dueMs.clear();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [member, dueMs] of this.#dueMs) {
      // All wait for the same time: who came later is due later.
      if (dueMs > nowMs) break;
      this.#dueMs.delete(member);
      if (member.hasToWait(nowMs)) this.#dueMs.set(member, nowMs + WAIT_MS);
    }
    if (this.#dueMs.size === 0) this.close();
  }
}
