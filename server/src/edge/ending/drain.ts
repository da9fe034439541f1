import { setTimeout as delay } from "node:timers/promises";
import { endsBecause } from "../../classroom/connection-log.js";
import type { Logger } from "../../telemetry/log.js";

/** How often some of those are sent away whose time has come. */
const TICK_MS = 20;

/** A connection, as far as ending it needs: in the way that brings its client back. */
interface Leaver {
  close(): void;
}

export interface DrainOptions {
  /** How long everything goes on as it was, but for what balancers are told, in milliseconds. */
  readonly delayMs: number;
  /** Over how long connections end then, in milliseconds. */
  readonly spreadMs: number;
  /** Called once, between the two. */
  readonly onLeave: () => void;
  /** Those that are open. */
  readonly connections: () => Iterable<Leaver>;
  readonly log: Logger;
}

/**
 * How a replica goes while others take over: first it says so to balancers and serves on, also those who come; then it
 * lets nobody in, and sends those who are there away, one after the other.
 */
export class Drain {
  readonly #leaving = new AbortController();
  #isDraining = false;

  /** Whether this replica goes: it is not ready, and each of its answers is the last one on its connection. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Aborts when nobody is let in any more. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Lets nobody in from this turn of the event loop on. */
  leave(): void {
    this.#isDraining = true;
    this.#leaving.abort();
  }

  /** Resolves when everybody who was there has been sent away. */
  async run({ delayMs, spreadMs, onLeave, connections, log }: DrainOptions): Promise<void> {
    this.#isDraining = true;
    log.info({ delayMs, spreadMs }, "draining: not ready any more");
    await delay(delayMs);
    this.leave();
    onLeave();
    const leavers = shuffled([...connections()]);
    log.info({ connections: leavers.length }, "draining: sending clients to other replicas");
    await endEvenly(leavers, spreadMs);
  }
}

/** Those who have ended by themselves meanwhile leave a gap: the others keep their time. */
async function endEvenly(leavers: readonly Leaver[], spreadMs: number): Promise<void> {
  const startedAt = performance.now();
  let ended = 0;
  while (ended < leavers.length) {
    const part = spreadMs === 0 ? 1 : (performance.now() - startedAt) / spreadMs;
    const due = Math.min(leavers.length, Math.floor(part * leavers.length) + 1);
    for (const leaver of leavers.slice(ended, due)) {
      endsBecause(leaver, "draining");
      leaver.close();
    }
    ended = due;
    if (ended < leavers.length) await delay(TICK_MS);
  }
}

/** So that a class, which came at once, does not go at once. */
function shuffled<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
