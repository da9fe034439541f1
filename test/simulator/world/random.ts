/** Of a hundred, its fourth root, less one. */
const TAIL = 2.162277660168379;

/** Numbers that follow from one seed (sfc32): the same seed, the same numbers, on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = (seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9;
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** From 0 to below 1. */
  readonly fraction = (): number => this.#next() / 2 ** 32;

  /** From 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** Most of them short, some up to a hundred times as long: as waits are on a network. */
  longTailed(usual: number): number {
    // By products alone: powers come out otherwise by the last digit in another release of Node.js.
    const fourth = square(square(this.fraction()));
    return usual * square(square(1 + TAIL * square(fourth)));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  of<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error("there is nothing to choose from");
    return choice;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#next() & 0xff;
    return bytes;
  }

  hex(length: number): string {
    return this.bytes(length / 2).toString("hex");
  }

  /** Numbers of their own for a part of the world: what that part does more of moves nothing elsewhere. */
  fork(): Random {
    return new Random(this.#next() * 2 ** 20 + (this.#next() >>> 12));
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }
}

function square(x: number): number {
  return x * x;
}
