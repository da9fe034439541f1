/** So many names are remembered. Of those beyond them nobody is asked to come back. */
const MAX_NAMES = 1_000;
const MAX_NAME_LENGTH = 256;
/** After this time a name may be that of a key which has been published since. */
const FORGET_MS = 30_000;

/**
 * Names of keys that tokens came with and that were not among those fetched. Whoever names one of which nobody has asked since
 * may be early: its key may have just been published. Once keys have been fetched after that, it is wrong, and its client is
 * to hear so rather than to try for ever.
 */
export class UnknownKeys {
  /** When each was first seen, in that order. */
  readonly #seenAt = new Map<string, number>();

  /**
   * @param name - as a token has it (`kid`)
   * @param askedAt - when it came, by the monotonic clock
   * @param fetchedAt - when the last fetch began
   */
  mayBeNew(name: string | undefined, askedAt: number, fetchedAt: number): boolean {
    if (name === undefined || name.length > MAX_NAME_LENGTH) return false;
    for (const [oldest, at] of this.#seenAt) {
      if (askedAt - at <= FORGET_MS) break;
      this.#seenAt.delete(oldest);
    }
    const seenAt = this.#seenAt.get(name);
    if (seenAt !== undefined) return fetchedAt < seenAt;
    // Somebody makes them up.
    if (this.#seenAt.size >= MAX_NAMES) return false;
    this.#seenAt.set(name, askedAt);
    return fetchedAt < askedAt;
  }
}
