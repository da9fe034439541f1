/** A place in a stream. */
export interface StreamId {
  readonly ms: number;
  readonly seq: number;
}

export interface StreamEntry extends StreamId {
  readonly fields: readonly string[];
}

export const FIRST: StreamId = { ms: 0, seq: 0 };
export const LAST: StreamId = { ms: Infinity, seq: Infinity };

export function idText({ ms, seq }: StreamId): string {
  return `${String(ms)}-${String(seq)}`;
}

export function compareIds(one: StreamId, other: StreamId): number {
  return one.ms === other.ms ? one.seq - other.seq : one.ms - other.ms;
}

/** What a stream holds. */
export class Stream {
  entries: StreamEntry[] = [];
  last: StreamId = FIRST;
  maxDeleted: StreamId = FIRST;
  added = 0;

  add(id: StreamId, fields: readonly string[]): void {
    this.entries.push({ ...id, fields });
    this.last = id;
    this.added++;
  }

  /** @returns how many entries went */
  trim(isKept: (entry: StreamEntry, index: number) => boolean): number {
    const before = this.entries.length;
    this.entries = this.entries.filter(isKept);
    return before - this.entries.length;
  }

  delete(id: StreamId): number {
    const gone = this.trim((entry) => compareIds(entry, id) !== 0);
    if (gone > 0 && compareIds(id, this.maxDeleted) > 0) this.maxDeleted = id;
    return gone;
  }

  copy(): Stream {
    const copy = new Stream();
    copy.entries = [...this.entries];
    copy.last = this.last;
    copy.maxDeleted = this.maxDeleted;
    copy.added = this.added;
    return copy;
  }
}
