/** How often is looked whether there is news. */
const LOOK_EVERY_MS = 5;

/**
 * Resolves when `isDone`, or when `count` has not changed for `patienceMs`.
 *
 * @returns whether it is done
 */
export async function untilDone(
  isDone: () => boolean,
  count: () => number,
  patienceMs: number,
): Promise<boolean> {
  let last = count();
  let changedAt = performance.now();
  return new Promise((resolve) => {
    const look = () => {
      const now = performance.now();
      if (count() !== last) {
        last = count();
        changedAt = now;
      }
      if (isDone()) resolve(true);
      else if (now - changedAt > patienceMs) resolve(false);
      else setTimeout(look, LOOK_EVERY_MS);
    };
    look();
  });
}
