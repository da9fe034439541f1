/** A binary heap: takes the least of what is in it, of equals the one that came first. */
export class Heap<T> {
  readonly #items: { readonly value: T; readonly key: number; readonly order: number }[] = [];
  #pushed = 0;

  *values(): Iterable<T> {
    for (const { value } of this.#items) yield value;
  }

  get least(): T | undefined {
    return this.#items[0]?.value;
  }

  get leastKey(): number {
    return this.#items[0]?.key ?? Infinity;
  }

  push(key: number, value: T): void {
    const items = this.#items;
    const item = { value, key, order: this.#pushed++ };
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent];
      if (!above || !isBefore(item, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const [least] = items;
    const item = items.pop();
    if (!least || !item || items.length === 0) return least?.value;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [items[child], items[child + 1]];
      if (!left) break;
      let lesser = left;
      if (right && isBefore(right, left)) {
        lesser = right;
        child++;
      }
      if (!isBefore(lesser, item)) break;
      items[at] = lesser;
      at = child;
    }
    items[at] = item;
    return least.value;
  }
}

interface Ordered {
  readonly key: number;
  readonly order: number;
}

function isBefore(one: Ordered, other: Ordered): boolean {
  return one.key < other.key || (one.key === other.key && one.order < other.order);
}
