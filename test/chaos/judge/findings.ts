/** What must never happen. */
export type FindingKind =
  /** Somebody lacks an event that lies between two that it got, and was told of no loss. */
  | "lost"
  /** What Redis still had after a loss is not in history any more. */
  | "dropped"
  | "doubled"
  | "out of order"
  /** Went on, by `recovered` or on an open connection, over numbers that it had seen and that were lost. */
  | "falsely recovered"
  /** One offset that names two events. */
  | "given twice"
  /** Told that it was not recovered, though history could have served. */
  | "wrongly not recovered"
  /** Did not get as far as everybody must. */
  | "hung"
  /** A history with a hole. */
  | "contradiction"
  /** Something of a history that had been lost came after the one that followed it. */
  | "stale"
  /** Held by nobody, and still there: a room, a claim, a key, a descriptor. */
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
const MAX_KEPT = 12;
const MAX_KEPT_OF_KIND = 3;
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
    const known = (is: (finding: Finding) => boolean) => this.first.filter(is).length;
    if (this.first.length >= MAX_KEPT) return;
    if (known((finding) => finding.kind === kind) >= MAX_KEPT_OF_KIND) return;
    if (known((finding) => finding.whose === whose) >= MAX_KEPT_OF_ONE) return;
    this.first.push({ kind, whose, what, story });
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get isClean(): boolean {
    return this.first.length === 0;
  }
}
