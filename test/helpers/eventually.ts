import { setTimeout as delay } from "node:timers/promises";

const PATIENCE_MS = 15_000;
const PAUSE_MS = 20;

/** Asks again and again until the answer is yes: for state that tells nobody when it changes. */
export async function eventually(ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`not so within ${String(PATIENCE_MS)} ms`);
    await delay(PAUSE_MS);
  }
}
