/** The values that each label of a table may have. */
type Lists<Labels> = { readonly [Name in keyof Labels]: readonly Labels[Name][] };

/** Where the values of a label stand, one behind the other. */
interface Places {
  readonly name: string;
  readonly places: ReadonlyMap<string, number>;
}

/**
 * Numbers under the values of some labels. Which values there are is fixed from the start: whatever clients send, nobody
 * makes another one, and what is not in the lists is not counted. Counting makes nothing anew: no text, no object.
 */
export class CountTable<Labels extends Readonly<Record<string, string>>> {
  readonly names: readonly (string & keyof Labels)[];
  readonly #columns: readonly Places[];
  readonly #rows: readonly { readonly labels: Labels; count: number }[];

  constructor(lists: Lists<Labels>) {
    this.names = Object.keys(lists);
    let all: Readonly<Record<string, string>>[] = [{}];
    this.#columns = this.names.map((name) => {
      all = all.flatMap((labels) => lists[name].map((value) => ({ ...labels, [name]: value })));
      return { name, places: new Map(lists[name].map((value, place) => [value, place])) };
    });
    this.#rows = (all as Labels[]).map((labels) => ({ labels, count: 0 }));
  }

  add(labels: Labels, by = 1): void {
    let index = 0;
    for (const { name, places } of this.#columns) {
      const place = places.get(labels[name] ?? "");
      if (place === undefined) return;
      index = index * places.size + place;
    }
    const row = this.#rows[index];
    if (row) row.count += by;
  }

  /** Each combination, with its number. */
  rows(): Iterable<{ readonly labels: Labels; readonly count: number }> {
    return this.#rows;
  }
}

/** More than one process has links to. */
const MAX_NAMED = 400;

/**
 * Numbers under labels of which nobody knows the values before, as they are names of others. Of so many and no more: beyond them
 * the one that was not counted for longest is forgotten.
 */
export class NamedCounts<Labels extends Readonly<Record<string, string>>> {
  readonly #rows = new Map<string, { readonly labels: Labels; readonly count: number }>();

  add(labels: Labels): void {
    const key = JSON.stringify(Object.values(labels));
    const count = (this.#rows.get(key)?.count ?? 0) + 1;
    // To the end: the first one is the oldest.
    this.#rows.delete(key);
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size < MAX_NAMED) break;
      this.#rows.delete(oldest);
    }
    this.#rows.set(key, { labels, count });
  }

  rows(): Iterable<{ readonly labels: Labels; readonly count: number }> {
    return this.#rows.values();
  }
}
