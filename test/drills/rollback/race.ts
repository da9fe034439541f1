import { setTimeout as delay } from "node:timers/promises";
import type { Truth } from "../../chaos/judge/truth.js";
import type { Random } from "../../chaos/random.js";
import { comeBackOlder } from "../../chaos/faults/rollback.js";
import type { ChaosClient } from "../../chaos/world/clients.js";
import type { Gate } from "../../chaos/world/gate.js";
import { chooseTail, type RedisHouse } from "../../chaos/world/redis-house.js";
import type { RollbackKind } from "./options.js";

/** Under load before Redis falls behind, while it does, while it is away, and after it is back. */
const BEFORE_MS = { min: 150, max: 400 };
const BEHIND_MS = { min: 10, max: 300 };
const AWAY_MS = { min: 0, max: 200 };
const AFTER_MS = { min: 200, max: 600 };
/** How much later than the others somebody may find Redis again: one of these. */
const LATE_MS = [30, 300, 900];
/** Clients that are cut off around the crash, and so come back while nobody knows of it yet. */
const CUT_SHARE = 0.4;
const CUT_WITHIN_MS = 1_500;

export interface RaceOptions {
  readonly kind: RollbackKind;
  readonly house: RedisHouse;
  /** Of everybody. */
  readonly gates: readonly Gate[];
  readonly clients: readonly ChaosClient[];
  readonly truth: Truth;
  readonly random: Random;
}

/** One death of Redis under load. Who finds it first when it is back is left to chance. */
export class Race {
  readonly #options: RaceOptions;

  constructor(options: RaceOptions) {
    this.#options = options;
  }

  /** @returns what happened, in some words */
  async run(): Promise<string> {
    const { random, clients } = this.#options;
    const wait = ({ min, max }: { min: number; max: number }) => delay(random.between(min, max));
    await wait(BEFORE_MS);
    const fall = await this.#prepare();
    const cuts = random.some(clients.length, CUT_SHARE).map(async (index) => {
      await delay(random.between(0, CUT_WITHIN_MS));
      clients[index]?.cut("reset", 0);
    });
    await wait(BEHIND_MS);
    const at = Date.now();
    await fall();
    const downMs = Date.now() - at;
    await Promise.all([...cuts, wait(AFTER_MS)]);
    return `away for ${downMs} ms`;
  }

  /** @returns kills Redis, and has it back for everybody */
  async #prepare(): Promise<() => Promise<void>> {
    const { kind, house, random } = this.#options;
    switch (kind) {
      case "rdb":
        await house.takeSnapshot();
        return () => this.#kill(() => house.restartFromSnapshot());
      case "failover": {
        const { promote } = await house.startStandby();
        return () => this.#kill(() => promote());
      }
      case "aof-tail": {
        const before = await house.fileLength();
        return () =>
          this.#kill(async () => {
            const appended = (await house.fileLength()) - before;
            await house.restartWithoutTail(chooseTail(random, appended));
          });
      }
      case "aof-always":
        return () => this.#kill(() => house.restart());
    }
  }

  async #kill(restart: () => Promise<void>): Promise<void> {
    const { random, kind, house, gates } = this.#options;
    const awayMs = random.between(AWAY_MS.min, AWAY_MS.max);
    if (kind !== "aof-always") {
      const maxMs = random.pick(LATE_MS);
      await comeBackOlder(this.#options, awayMs, restart, () => random.between(0, maxMs));
      return;
    }
    await house.server.end("SIGKILL");
    for (const gate of gates) gate.shut();
    await delay(awayMs);
    await restart();
    for (const gate of gates) gate.admit();
  }
}
