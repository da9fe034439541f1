/** What must never happen. */
export type FindingKind =
  | "lost"
  | "doubled"
  | "out of order"
  /** Told that it was not recovered, though history could have served. */
  | "wrongly not recovered"
  /** Did not get as far as everybody must. */
  | "hung"
  /** Two truths: an offset with two events, an event with two offsets, or an offset that was promised otherwise. */
  | "contradiction"
  /** Something of a history that had been lost came after the new one had begun. */
  | "leaked"
  /** A process ended by itself, a good request was refused, a client was sent away for good. */
  | "broken";

export interface Finding {
  readonly kind: FindingKind;
  readonly whose: string;
  /** What is wrong, and where. */
  readonly what: string;
  /** What had happened before to the one that it happened to. */
  readonly story: readonly string[];
}

/** More would only hide the first ones, and more of the same one the others. */
const MAX_KEPT = 10;
const MAX_KEPT_OF_ONE = 2;

/** Counts what is wrong, and keeps the first cases. */
export class Findings {
  readonly first: Finding[] = [];
  readonly #counts = new Map<FindingKind, number>();

  /**
   * @param count - how many events it concerns
   * @param whose - the client, room or process that it happened to
   * @param story - what had happened to it before
   */
  add(
    kind: FindingKind,
    count: number,
    whose: string,
    what: string,
    story: readonly string[] = [],
  ): void {
    this.#counts.set(kind, this.count(kind) + count);
    const known = this.first.filter((finding) => finding.whose === whose);
    if (this.first.length < MAX_KEPT && known.length < MAX_KEPT_OF_ONE) {
      this.first.push({ kind, whose, what, story });
    }
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get isClean(): boolean {
    return this.first.length === 0;
  }
}
