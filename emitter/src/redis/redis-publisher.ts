import { CallResults } from "./call-results.js";
import { isMadeUp } from "../idempotency-keys.js";
import { EVENTS, roomName, type RoomName } from "../protocol/index.js";
import { RedisClock } from "./redis-clock.js";
import { PublishScript, type HistoryLimits, type RedisCommands } from "./publish-script.js";
import type { Publication, Publisher, PublishResult } from "../publisher.js";
import type { Replicas } from "./replicas.js";
import { RoomWriter } from "./room-writer.js";

/** The design's defaults: 1,000 events, 4 MiB and 6 hours. */
export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  historyLimit: 1_000,
  historyMaxBytes: 4 * 1_024 * 1_024,
  historyTtlMs: 6 * 60 * 60 * 1_000,
};

/** Rooms whose place in history is remembered, those used first are forgotten first; about 1 KB each. */
const MAX_ROOMS = 10_000;
/** The part of its time to live that a history may lose by renewing its expiry only now and then. */
const RENEWAL = 1 / 100;

/**
 * Publishes through Redis with one script for each room: history, order and delivery are one step. All events for a
 * room from one turn of the event loop share one call, whoever published them.
 */
export class RedisPublisher implements Publisher {
  readonly recognizesNewKeys = true;
  readonly ignoresSignal = true;
  readonly #script: PublishScript;
  readonly #clock: RedisClock;
  readonly #renewMs: number;
  readonly #close: () => Promise<void>;
  readonly #replicas: Replicas | undefined;
  readonly #rooms = new Map<RoomName, RoomWriter>();
  /** Those that have something to send at the end of this turn. */
  #waiting: RoomWriter[] = [];
  /** Publications that may be in Redis although their call failed. */
  readonly #tried = new WeakSet<Publication>();

  /**
   * @param clock - Redis's, where somebody else compares it too: what this publisher is answered does so now and then
   * @param replicas - who has to have what was published before it is confirmed, if anybody
   */
  constructor(
    redis: RedisCommands,
    limits: HistoryLimits,
    close: () => Promise<void>,
    clock = new RedisClock(),
    replicas?: Replicas,
  ) {
    this.#clock = clock;
    this.#script = new PublishScript(redis, limits);
    this.#renewMs = limits.historyTtlMs * RENEWAL;
    this.#close = close;
    this.#replicas = replicas;
  }

  publish(publications: readonly Publication[]): Promise<PublishResult[]> {
    const answer = new CallResults(publications, this.#tried);
    const now = performance.now();
    for (const [index, publication] of publications.entries()) {
      const { sessionId, event, idempotencyKey, since = now } = publication;
      const json = JSON.stringify(event);
      const isNew =
        publication.isNew === true && isMadeUp(idempotencyKey) && !this.#tried.has(publication);
      for (const role of EVENTS[event.event].audience) {
        const writer = this.#writer(roomName(sessionId, role));
        answer.expect(index, role);
        const isFirst = writer.add({ answer, index, role, publication, json, since, isNew });
        if (isFirst && this.#waiting.push(writer) === 1) setImmediate(this.#flush);
      }
    }
    answer.done();
    // A state that is announced may be lost with its primary: it is looked after, and announced again.
    if (!this.#replicas || publications[0]?.version !== undefined) return answer.promise;
    return this.#confirmed(publications, answer, this.#replicas);
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #confirmed(
    publications: readonly Publication[],
    answer: CallResults,
    replicas: Replicas,
  ): Promise<PublishResult[]> {
    const results = await answer.promise;
    try {
      await replicas.acknowledge(answer.incarnation);
    } catch (error) {
      for (const publication of publications) this.#tried.add(publication);
      throw error;
    }
    return results;
  }

  readonly #flush = (): void => {
    const writers = this.#waiting;
    this.#waiting = [];
    for (const writer of writers) writer.flush();
  };

  #writer(room: RoomName): RoomWriter {
    let writer = this.#rooms.get(room);
    if (!writer) {
      writer = new RoomWriter(this.#script, this.#clock, room, this.#renewMs);
      if (this.#rooms.size >= MAX_ROOMS) {
        for (const oldest of this.#rooms.keys()) {
          this.#rooms.delete(oldest);
          break;
        }
      }
      this.#rooms.set(room, writer);
    }
    return writer;
  }
}
