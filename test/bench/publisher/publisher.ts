import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { randomFrom } from "../../chaos/random.js";
import type { CountedEvent } from "../load/event-number.js";
import { monotonicNs } from "../load/latencies.js";
import type { Flood, Stream, Streamed } from "./api.js";
import type { Publishing } from "./targets.js";

/** Emits counted events to one target. The count of each session goes on from call to call. */
export class Publisher {
  readonly #target: Publishing;
  readonly #lasts = new Map<string, number>();
  #isPrimed = false;

  constructor(target: Publishing) {
    this.#target = target;
  }

  async stream(stream: Stream): Promise<Streamed> {
    const { sessions, events, bursts, burstsPerSecond, burst } = stream;
    const random = randomFrom(stream.seed);
    const run = new Run(stream.isTimed ?? false);
    for (let i = 0; i < bursts; i++) {
      await run.until((i / burstsPerSecond) * 1_000);
      const startedAt = performance.now();
      for (let n = 0; n < burst; n++) {
        const session = sessions.length === 1 ? (sessions[0] ?? "") : random.pick(sessions);
        run.emit(() => this.#emit(session, events));
      }
      run.burstTook(performance.now() - startedAt);
      // The stock emitter and ours tell Redis what they need with the first event: what each event costs is seen behind it.
      if (!this.#isPrimed) await run.confirmed();
      this.#isPrimed = true;
    }
    return await run.end(this.#lasts);
  }

  async flood({ sessions, events, callsPerTurn, forMs }: Flood): Promise<Streamed> {
    const run = new Run(false);
    let next = 0;
    while (run.elapsedMs < forMs) {
      for (let n = 0; n < callsPerTurn; n++) {
        const session = sessions[next++ % sessions.length] ?? "";
        run.emit(() => this.#emit(session, events));
      }
      await run.confirmed();
    }
    return await run.end(this.#lasts);
  }

  async close(): Promise<void> {
    await this.#target.close();
  }

  #emit(session: string, events: readonly CountedEvent[]): Promise<unknown> {
    const number = (this.#lasts.get(session) ?? 0) + 1;
    this.#lasts.set(session, number);
    const event = events[(number - 1) % events.length];
    if (event === undefined) throw new Error("a stream needs events");
    return this.#target.emit(session, event, number);
  }
}

/** Keeps the books of one call. */
class Run {
  readonly #isTimed: boolean;
  readonly #startedAt = performance.now();
  readonly #emittedAtNs: number[] = [];
  readonly #burstsMs: number[] = [];
  readonly #failures = new Set<string>();
  #pending: Promise<unknown>[] = [];
  #events = 0;

  constructor(isTimed: boolean) {
    this.#isTimed = isTimed;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  emit(emit: () => Promise<unknown>): void {
    this.#events++;
    if (this.#isTimed) this.#emittedAtNs.push(monotonicNs());
    const published = emit().catch((error: unknown) => {
      this.#failures.add(error instanceof Error ? error.message : String(error));
    });
    this.#pending.push(published);
  }

  burstTook(ms: number): void {
    this.#burstsMs.push(ms);
  }

  /** Waits for a time since the beginning; one that has passed is the next turn, so that no two bursts become one. */
  async until(ms: number): Promise<void> {
    const remaining = ms - this.elapsedMs;
    if (remaining > 0) await delay(remaining);
    else await nextTurn();
  }

  /** Resolves when Redis has confirmed everything. */
  async confirmed(): Promise<void> {
    await Promise.all(this.#pending);
    this.#pending = [];
  }

  async end(lasts: ReadonlyMap<string, number>): Promise<Streamed> {
    await this.confirmed();
    return {
      lasts: Object.fromEntries(lasts),
      events: this.#events,
      elapsedMs: this.elapsedMs,
      burstsMs: this.#burstsMs,
      emittedAtNs: this.#emittedAtNs,
      failures: [...this.#failures],
    };
  }
}
