import { setTimeout as delay } from "node:timers/promises";

const PATIENCE_MS = 15_000;
const PAUSE_MS = 20;

/** Asks again and again until the answer is yes: for state that tells nobody when it changes. Times in milliseconds. */
export async function eventually(
  ask: () => Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  // Of who waits: nothing of it is left when it has waited.
  const late = new Error(`not so within ${String(patienceMs)} ms`);
  Error.captureStackTrace(late, eventually);
  while (!(await ask())) {
    if (Date.now() > deadline) throw late;
    await delay(PAUSE_MS);
  }
}
