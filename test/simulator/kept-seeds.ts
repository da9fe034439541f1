/** Seeds by which a promise was broken once, and what was wrong. Each is played by the test, for ever. */
export const KEPT_SEEDS: readonly (readonly [seed: number, what: string])[] = [
  [56, "a key's repetition was refused where the epochs of its history had been evicted alone"],
  [278, "the same"],
];
