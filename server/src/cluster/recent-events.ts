import { isReadable, type HistoryEntry } from "./ports.js";

/** How much of a room a replica remembers: as much as its history. */
export interface RoomLimits {
  readonly historyLimit: number;
  readonly historyMaxBytes: number;
}

/** They are cut when they are this many times as long as a history, so that cutting costs little for each. */
const CUT_AT = 1.25;

/** The newest events of a room, without a hole, as many and as long as its history at least, where there were so many. */
export class RecentEvents {
  readonly #limits: RoomLimits;
  #entries: HistoryEntry[] = [];
  #bytes = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The number of the oldest, or `undefined` where there is none. */
  get oldest(): number | undefined {
    return this.#entries[0]?.position.n;
  }

  /**
   * The newest `count` of them, or `undefined` where there are not so many.
   *
   * @param limit - how many of those, the oldest first
   */
  newest(count: number, limit: number): readonly HistoryEntry[] | undefined {
    if (count < 0 || count > this.#entries.length) return undefined;
    const start = this.#entries.length - count;
    return this.#entries.slice(start, start + limit);
  }

  /** Those up to this number. */
  upTo(n: number): readonly HistoryEntry[] {
    return this.#entries.filter(({ position }) => position.n <= n);
  }

  /** The place behind which the oldest is, at the most, where the newest has this number. */
  oldestKept(newest: number): number {
    return Math.max(newest - Math.ceil(CUT_AT * this.#limits.historyLimit), 0);
  }

  /** @param entry - follows the newest */
  add(entry: HistoryEntry): void {
    this.#entries.push(entry);
    this.#bytes += bytesOf(entry);
    this.#cut();
  }

  /** @param older - come right before the oldest */
  putBefore(older: readonly HistoryEntry[]): void {
    this.#replace([...older, ...this.#entries]);
    this.#cut();
  }

  clear(): void {
    this.#replace([]);
  }

  #cut(): void {
    const { historyLimit, historyMaxBytes } = this.#limits;
    const entries = this.#entries;
    if (entries.length <= CUT_AT * historyLimit && this.#bytes <= CUT_AT * historyMaxBytes) return;
    let from = entries.length;
    let bytes = 0;
    while (from > 0 && entries.length - from < historyLimit) {
      bytes += bytesOf(entries[from - 1]);
      if (bytes > historyMaxBytes) break;
      from--;
    }
    this.#replace(entries.slice(from));
  }

  #replace(entries: HistoryEntry[]): void {
    this.#entries = entries;
    this.#bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  }
}

function bytesOf(entry: HistoryEntry | undefined): number {
  return entry && isReadable(entry) ? entry.bytes : 0;
}
