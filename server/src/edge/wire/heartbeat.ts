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
export class Heartbeat<Member extends Beating = Beating> {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Member>());
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  /** @param drop - ends the connection of a member in whose beat there was an error */
  constructor(intervalMs: number, drop: (error: unknown, member: Member) => void) {
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % SLOTS;
      for (const member of this.#slots[this.#turn] ?? []) {
        try {
          member.beat();
        } catch (error) {
          stopBeating(member);
          drop(error, member);
        }
      }
    }, intervalMs / SLOTS).unref();
  }

  /** Its first beat is one interval from now. */
  add(member: Member): void {
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
