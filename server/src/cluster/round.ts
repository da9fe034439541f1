/** Goes over many, again and again, a part at a time. */
export class Round<T> {
  readonly #turns: number;
  #items: readonly T[] = [];
  #turn = 0;

  /** @param turns - parts */
  constructor(turns: number) {
    this.#turns = turns;
  }

  /** @param all - asked at the beginning of each round */
  next(all: () => Iterable<T>): readonly T[] {
    if (this.#turn === 0) this.#items = [...all()];
    const cut = (turn: number) => Math.floor((turn * this.#items.length) / this.#turns);
    const part = this.#items.slice(cut(this.#turn), cut(this.#turn + 1));
    this.#turn = (this.#turn + 1) % this.#turns;
    return part;
  }
}
