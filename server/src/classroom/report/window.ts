import { EVENT_NAMES } from "@inthon/emitter/protocol";
import type { Counts } from "../../telemetry/counts.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { SECONDS } from "../../telemetry/distribution.js";

/** What is told of the last so many looks: half a minute, where one looks every two seconds. */
const MAX_LOOKS = 15;

/** What a replica has counted up to a moment. */
interface Reading {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly told: number;
  /** How often it took how long from publishing to the last socket, by the ranges of {@link SECONDS}. */
  readonly lag: readonly number[];
  readonly refused: ReadonlyMap<string, number>;
}

/** What it has counted lately. */
export interface Lately {
  readonly seconds: number;
  /** Of one core, in per cent. */
  readonly cpu: number;
  /** Events, told to one connection each. */
  readonly told: number;
  readonly lag: number[];
  /** Who was refused or cut, by code; those alone that there were. */
  readonly refused: Record<string, number>;
}

/** What a replica counts is counted from its start on: this makes of it what was counted while somebody looked. */
export class CountsWindow {
  readonly #counts: Counts;
  readonly #refusals: Refusals;
  #readings: readonly Reading[] = [];

  constructor(counts: Counts, refusals: Refusals) {
    this.#counts = counts;
    this.#refusals = refusals;
  }

  /** Since the oldest look that is remembered. The first one begins it. */
  look(): Lately {
    const now = this.#read();
    // What is older than all of them would be, one that looks begins anew.
    const recent = this.#readings.filter(({ atMs }) => now.atMs - atMs < 60_000);
    const [since = now] = recent;
    this.#readings = [...recent.slice(1 - MAX_LOOKS), now];
    const ms = now.atMs - since.atMs;
    const refused = [...now.refused]
      .map(([code, count]) => [code, count - (since.refused.get(code) ?? 0)] as const)
      .filter(([, count]) => count > 0);
    return {
      seconds: Math.round(ms / 1_000),
      cpu: ms === 0 ? 0 : Math.round((100 * (now.cpuMs - since.cpuMs)) / ms),
      told: now.told - since.told,
      lag: now.lag.map((count, range) => count - (since.lag[range] ?? 0)),
      refused: Object.fromEntries(refused),
    };
  }

  #read(): Reading {
    const { publishToSocket, deliveries } = this.#counts;
    const { websocket, polling, plain, "event-stream": streams } = deliveries;
    const { user, system } = process.cpuUsage();
    const ranges = [...SECONDS.keys(), SECONDS.length];
    return {
      atMs: performance.now(),
      cpuMs: (user + system) / 1_000,
      told: websocket + polling + plain + streams,
      lag: ranges.map((range) =>
        EVENT_NAMES.reduce((sum, name) => sum + (publishToSocket[name].counts[range] ?? 0), 0),
      ),
      refused: new Map(this.#refusals.totals),
    };
  }
}
