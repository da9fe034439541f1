/** The values that each label of a table may have. */
type Lists<Labels> = { readonly [Name in keyof Labels]: readonly Labels[Name][] };

/**
 * Numbers under the values of some labels. Which values there are is fixed from the start: whatever clients send, nobody
 * makes another one, and what is not in the lists is not counted.
 */
export class CountTable<Labels extends Readonly<Record<string, string>>> {
  readonly names: readonly (string & keyof Labels)[];
  readonly #rows = new Map<string, { readonly labels: Labels; count: number }>();

  constructor(lists: Lists<Labels>) {
    this.names = Object.keys(lists);
    let all: Readonly<Record<string, string>>[] = [{}];
    for (const name of this.names) {
      all = all.flatMap((labels) => lists[name].map((value) => ({ ...labels, [name]: value })));
    }
    for (const labels of all as Labels[]) this.#rows.set(this.#keyOf(labels), { labels, count: 0 });
  }

  add(labels: Labels, by = 1): void {
    const row = this.#rows.get(this.#keyOf(labels));
    if (row) row.count += by;
  }

  /** Each combination, with its number. */
  rows(): Iterable<{ readonly labels: Labels; readonly count: number }> {
    return this.#rows.values();
  }

  #keyOf(labels: Labels): string {
    let key = "";
    for (const name of this.names) key += `${labels[name]} `;
    return key;
  }
}
