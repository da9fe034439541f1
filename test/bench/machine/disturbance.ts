/** How busy the cores were while something was measured. */
export interface Activity {
  readonly elapsedNs: number;
  /** Nanoseconds that each core was busy, for whomever, stolen time included. */
  readonly busyNs: ReadonlyMap<number, number>;
  /** Nanoseconds that our own processes used, by the core that they are pinned to. */
  readonly ownNs: ReadonlyMap<number, number>;
}

export interface Disturbance {
  readonly core: number;
  /** What others used of the core, in percent. */
  readonly percent: number;
}

/** The kernel counts a core's busy time in these: one more or less at each end says nothing. */
const TICK_NS = 10_000_000;

/**
 * What others than ourselves used of the most disturbed pinned core; undefined if that is no more than tolerated.
 * Nothing is known, and nothing said, of cores that nothing is pinned to.
 */
export function findDisturbance(
  { elapsedNs, busyNs, ownNs }: Activity,
  tolerancePercent: number,
): Disturbance | undefined {
  let worst: Disturbance | undefined;
  for (const [core, own] of ownNs) {
    const others = (busyNs.get(core) ?? 0) - own - TICK_NS;
    const percent = (others / elapsedNs) * 100;
    if (percent > Math.max(tolerancePercent, worst?.percent ?? 0)) worst = { core, percent };
  }
  return worst;
}

export function describeDisturbance({ core, percent }: Disturbance): string {
  return `disturbed: others used ${percent.toFixed(0)} % of core ${core}`;
}

/** A measurement, and what disturbed it, if anything. */
export interface Attempt<T> {
  readonly value: T;
  readonly disturbance: Disturbance | undefined;
}

/** Stays disturbed, however often it is measured. */
export class DisturbedError extends Error {
  override readonly name = "DisturbedError";

  constructor(disturbance: Disturbance) {
    super(describeDisturbance(disturbance));
  }
}

/** Measures until nothing disturbs, `attempts` times at most. The last attempt may be disturbed as well. */
export async function calmest<T>(
  measure: () => Promise<Attempt<T>>,
  attempts: number,
): Promise<Attempt<T>> {
  for (let attempt = 1; ; attempt++) {
    const result = await measure();
    if (result.disturbance === undefined || attempt >= attempts) return result;
  }
}
