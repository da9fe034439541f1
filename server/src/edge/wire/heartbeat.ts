/** Somebody who is called upon in turn. */
export interface Beating {
  /** Where {@link Heartbeat} keeps it. */
  slot?: Set<Beating> | undefined;
  /** Called once in each interval. */
  beat(): void;
}

/** In an interval as many groups are called upon, one after the other. */
const SLOTS = 64;

/**
 * Calls upon many, each once in an interval: with one timer for all of them, and spread over the interval. Ten thousand
 * pings at once would hold up everything else for tens of milliseconds.
 */
export class Heartbeat {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Beating>());
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  constructor(intervalMs: number) {
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % SLOTS;
      for (const member of this.#slots[this.#turn] ?? []) member.beat();
    }, intervalMs / SLOTS).unref();
  }

  /** Its first beat is one interval from now. */
  add(member: Beating): void {
    member.slot = this.#slots[this.#turn];
    member.slot?.add(member);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Calls upon a member no more. */
export function stopBeating(member: Beating): void {
  member.slot?.delete(member);
  member.slot = undefined;
}
