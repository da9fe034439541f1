import { setTimeout as delay } from "node:timers/promises";
import { percentile } from "../hostile/percentile.js";
import { AwayClient, type AwayOptions } from "./client.js";

/** So many connect at once, so that beginning is not what is measured. */
const COME_TOGETHER = 100;
const PAUSE_MS = 50;

/** What became of a crowd. Times are in milliseconds. */
export interface CrowdReport {
  readonly clients: number;
  readonly expected: number;
  readonly lost: number;
  readonly doubled: number;
  /** Told of a teacher who came or went, though none did. */
  readonly flickers: number;
  readonly neverBack: number;
  readonly drops: number;
  /** Sent away, back, and sent away again, between two marks. */
  readonly droppedTwice: number;
  readonly awayMs: { readonly p50: number; readonly p95: number; readonly max: number };
  readonly replayMs: { readonly p95: number; readonly p99: number };
}

/** Many clients of many sessions, and what was published to each session. */
export class Crowd {
  readonly clients: readonly AwayClient[];
  /** The newest event of each session; events are numbered from 1. */
  readonly published = new Map<string, number>();
  /** Of each client, the newest event when it had come for the first time: what is after it, is its. */
  readonly #from = new Map<AwayClient, number>();
  readonly #dropsAtMark = new Map<AwayClient, number>();
  #droppedTwice = 0;

  constructor(options: readonly AwayOptions[]) {
    this.clients = options.map((one) => new AwayClient(one));
    for (const client of this.clients) {
      client.published = () => this.published.get(client.options.session) ?? 0;
    }
  }

  /** Resolves when all are in. */
  async start(timeoutMs: number): Promise<void> {
    for (let i = 0; i < this.clients.length; i += COME_TOGETHER) {
      const group = this.clients.slice(i, i + COME_TOGETHER);
      for (const client of group) client.start();
      if (!(await until(() => group.every(({ isIn }) => isIn), timeoutMs))) {
        throw new Error("the clients could not connect");
      }
    }
    for (const client of this.clients) {
      this.#from.set(client, client.published());
      client.presence.length = 0;
    }
  }

  /** Whether all were in, and had all that was published, before the time was over. */
  settle(timeoutMs: number): Promise<boolean> {
    return until(() => this.clients.every((client) => isUpToDate(client)), timeoutMs);
  }

  /** Whether all were in before the time was over. */
  allIn(timeoutMs: number): Promise<boolean> {
    return until(() => this.clients.every(({ isIn }) => isIn), timeoutMs);
  }

  /** Begins a new reckoning of who was dropped more than once. */
  mark(): void {
    for (const client of this.clients) {
      if (client.drops - (this.#dropsAtMark.get(client) ?? 0) > 1) this.#droppedTwice++;
      this.#dropsAtMark.set(client, client.drops);
    }
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  report(): CrowdReport {
    let expected = 0;
    let lost = 0;
    let doubled = 0;
    for (const client of this.clients) {
      const from = this.#from.get(client) ?? 0;
      for (let n = from + 1; n <= client.published(); n++) {
        expected++;
        const count = client.counts.get(n) ?? 0;
        if (count === 0) lost++;
        else doubled += count - 1;
      }
    }
    const away = sorted(this.clients.flatMap(({ awayMs }) => awayMs));
    const replay = sorted(this.clients.flatMap(({ replayMs }) => replayMs));
    return {
      clients: this.clients.length,
      expected,
      lost,
      doubled,
      flickers: this.clients.reduce((sum, { presence }) => sum + changesIn(presence), 0),
      neverBack: this.clients.filter(({ isIn }) => !isIn).length,
      drops: this.clients.reduce((sum, { drops }) => sum + drops, 0),
      droppedTwice: this.#droppedTwice,
      awayMs: { p50: percentile(away, 0.5), p95: percentile(away, 0.95), max: away.at(-1) ?? 0 },
      replayMs: { p95: percentile(replay, 0.95), p99: percentile(replay, 0.99) },
    };
  }
}

/** That the teacher is there may be told late to who has just come, and is no news then: it was there from the start. */
function changesIn(presence: readonly boolean[]): number {
  return presence.filter((isOnline, i) => isOnline !== (presence[i - 1] ?? true)).length;
}

function isUpToDate(client: AwayClient): boolean {
  return client.isIn && client.newest >= client.published();
}

function sorted(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}

async function until(isSo: () => boolean, timeoutMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > giveUpAt) return false;
    await delay(PAUSE_MS);
  }
  return true;
}
