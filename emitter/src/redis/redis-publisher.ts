import { CallResults } from "./call-results.js";
import { isMadeUp } from "../idempotency-keys.js";
import { EVENTS, roomName, type RoomName } from "../protocol/index.js";
import { PublishScripts, type HistoryLimits } from "./publish-script.js";
import {
  UnconfirmedError,
  type Publication,
  type Publisher,
  type PublishResult,
} from "../publisher.js";
import { EmitterError } from "../errors.js";
import type { RoomRedis, RoomRedises } from "./connection/room-redis.js";
import { RoomWriter, type RoomPlace } from "./room-writer.js";

/** The design's defaults: 1,000 events, 4 MiB and 6 hours. */
export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  historyLimit: 1_000,
  historyMaxBytes: 4 * 1_024 * 1_024,
  historyTtlMs: 6 * 60 * 60 * 1_000,
};

/** Rooms whose place in history is remembered, those used first are forgotten first; about 1 KB each. */
const MAX_ROOMS = 10_000;
/** Of those used first, so many are looked at for each new one. */
const FORGET_TRIES = 2;
/** The part of its time to live that a history may lose by renewing its expiry only now and then. */
const RENEWAL = 1 / 100;

/**
 * Publishes through Redis with one script for each room: history, order and delivery are one step. All events for a
 * room from one turn of the event loop share one call, whoever published them.
 */
export class RedisPublisher implements Publisher {
  readonly recognizesNewKeys: boolean;
  readonly ignoresSignal = true;
  readonly #redises: RoomRedises;
  readonly #scripts: PublishScripts;
  readonly #places = new WeakMap<RoomRedis, RoomPlace>();
  readonly #renewMs: number;
  readonly #close: () => Promise<void>;
  readonly #rooms = new Map<RoomName, RoomWriter>();
  /** Those that have something to send at the end of this turn. */
  #waiting: RoomWriter[] = [];
  /** Publications that may be in Redis although their call failed. */
  readonly #tried = new WeakSet<Publication>();

  /** @param redises - clocks there may be compared by others too: what this publisher is answered does so now and then */
  constructor(redises: RoomRedises, limits: HistoryLimits, close: () => Promise<void>) {
    this.#redises = redises;
    this.recognizesNewKeys = redises.mayRepeat !== true;
    this.#scripts = new PublishScripts(limits, redises.verb);
    this.#renewMs = limits.historyTtlMs * RENEWAL;
    this.#close = close;
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
    if (!this.#redises.waitsForReplicas || publications[0]?.version !== undefined) {
      return answer.promise;
    }
    return this.#confirmed(publications, answer);
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #confirmed(
    publications: readonly Publication[],
    answer: CallResults,
  ): Promise<PublishResult[]> {
    const results = await answer.promise;
    try {
      await answer.acknowledged();
    } catch (error) {
      for (const publication of publications) this.#tried.add(publication);
      if (!(error instanceof EmitterError) || error.code !== "redis_not_replicated") throw error;
      throw new UnconfirmedError(error, () => this.#confirmed(publications, answer));
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
      writer = new RoomWriter(this.#placeOf(room), room, this.#renewMs);
      this.#forget();
      this.#rooms.set(room, writer);
    }
    return writer;
  }

  /** Makes place for another room. One that is at work is not forgotten: another writer of it would know nothing of its order. */
  #forget(): void {
    let tries = FORGET_TRIES;
    for (const [room, writer] of this.#rooms) {
      if (this.#rooms.size < MAX_ROOMS || tries-- === 0) return;
      this.#rooms.delete(room);
      if (writer.isBusy) this.#rooms.set(room, writer);
    }
  }

  #placeOf(room: RoomName): () => RoomPlace | undefined {
    const find = this.#redises.of(room);
    let redis: RoomRedis | undefined;
    let place: RoomPlace | undefined;
    return () => {
      const found = find();
      if (found === redis) return place;
      redis = found;
      place = found && this.#placeAt(found);
      return place;
    };
  }

  #placeAt(redis: RoomRedis): RoomPlace {
    let place = this.#places.get(redis);
    if (!place) {
      const { commands, clock, replicas } = redis;
      place = { script: this.#scripts.on(commands), clock, replicas };
      this.#places.set(redis, place);
    }
    return place;
  }
}
