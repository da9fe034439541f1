import { setTimeout as delay } from "node:timers/promises";
import { readHistories } from "../judge/history.js";
import type { Truth } from "../judge/truth.js";
import type { Gate } from "../world/gate.js";
import type { RedisHouse } from "../world/redis-house.js";

export interface RollbackScene {
  readonly house: RedisHouse;
  /** Of everybody. */
  readonly gates: readonly Gate[];
  readonly truth: Truth;
}

/**
 * Kills Redis, and has it come back with less than it had. The judge reads what is left before anybody else reaches it;
 * then all gates open.
 *
 * @param awayMs - how long it stays dead, in milliseconds
 * @param restart - resolves when it runs again
 * @param lateMs - how much later than the others somebody may find it again, in milliseconds
 */
export async function comeBackOlder(
  { house, gates, truth }: RollbackScene,
  awayMs: number,
  restart: () => Promise<void>,
  lateMs: () => number = () => 0,
): Promise<void> {
  const at = Date.now();
  // First Redis, so that nobody is told of a link that breaks before it has gone.
  await house.server.end("SIGKILL");
  for (const gate of gates) gate.shut();
  try {
    await delay(awayMs);
    await restart();
    await readHistories(house.url, truth, { kind: "rollback", at });
    truth.losses.push({ at, back: Date.now() });
  } finally {
    await Promise.all(
      gates.map(async (gate) => {
        await delay(lateMs());
        gate.admit();
      }),
    );
  }
}
