/**
 * Seeds by which a promise was broken once, and what was wrong. Each is played by the test, for ever. Where plans take another
 * form, what they show is looked for again, and another seed is kept: by a fault of `put-back/faults.ts`.
 */
export const KEPT_SEEDS: readonly (readonly [seed: number, what: string])[] = [
  [
    43,
    "a repetition was answered with a place that never was, as the epochs had been evicted twice",
  ],
];
