/** How late an end may be, in milliseconds, besides the rest of its second. */
const TICK_MS = 500;
/** So many are ended in one turn of the event loop: the tokens of a whole class may run out at once. */
const ENDS_IN_A_TURN = 100;

/** Ends each member at its time, to a second: with one timer for all, and one group for each second that is somebody's. */
export class Expiries<Member> {
  readonly #groups = new Map<number, Set<Member>>();
  readonly #end: (member: Member) => void;
  readonly #timer: NodeJS.Timeout;

  /** @param end - called once with each member that is still one at its time */
  constructor(end: (member: Member) => void) {
    this.#end = end;
    this.#timer = setInterval(() => {
      this.#endThoseDue();
    }, TICK_MS).unref();
  }

  /** How many wait for their end. */
  get size(): number {
    let size = 0;
    for (const { size: members } of this.#groups.values()) size += members;
    return size;
  }

  /** @param atS - a whole number of seconds since 1970 */
  add(atS: number, member: Member): void {
    const group = this.#groups.get(atS);
    if (group) group.add(member);
    else this.#groups.set(atS, new Set([member]));
  }

  /** @param atS - as it was added */
  remove(atS: number, member: Member): void {
    const group = this.#groups.get(atS);
    group?.delete(member);
    if (group?.size === 0) this.#groups.delete(atS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#groups.clear();
  }

  #endThoseDue(): void {
    const nowS = Date.now() / 1_000;
    let left = ENDS_IN_A_TURN;
    // All groups, as the clock may have been put forward or back.
    for (const [atS, group] of this.#groups) {
      if (atS > nowS) continue;
      for (const member of group) {
        if (left-- === 0) {
          setImmediate(() => {
            this.#endThoseDue();
          });
          return;
        }
        this.remove(atS, member);
        this.#end(member);
      }
    }
  }
}
