import { formatOffset, type Position } from "@inthon/emitter/protocol";
import type { FindingKind } from "./findings.js";
import type { Order } from "./order.js";
import { isPublished, type Place } from "./place.js";
import type { RoomTruth } from "./room-truth.js";

type Find = (kind: FindingKind, count: number, what: string, step: number) => void;

interface Gap {
  readonly what: string;
  readonly step: number;
  /** What it lacks, and that may still come, too late. */
  readonly missing: Set<string>;
}

/**
 * What a client was told between two words of a loss: one event after the other, without a hole and without a turn
 * from numbers that were lost to those that took their place.
 */
export class Passage {
  readonly #room: RoomTruth;
  readonly #order: Order;
  readonly #find: Find;
  readonly #gaps: Gap[] = [];
  /** The newest place that it has had. */
  #before: Position;
  /** Where {@link Passage.#before} is in the order; `undefined` where Redis has lost it. */
  #index: number | undefined;
  /** The last place in the order that it stood at: nothing behind it may be missing. */
  #reached: number | undefined;

  /** @param start - where it began: it was told that it need not know what had been before */
  constructor(room: RoomTruth, order: Order, start: Position, find: Find) {
    this.#room = room;
    this.#order = order;
    this.#find = find;
    this.#before = start;
    const place = room.find(start);
    this.#index = (place && order.indexOf(place)) ?? order.indexBehind(start);
    this.#reached = this.#index;
  }

  /** @param step - for the story of what is found */
  pass(place: Place, step: number): void {
    const index = this.#order.indexOf(place);
    const { position } = place;
    const what = `received ${formatOffset(position)} after ${formatOffset(this.#before)}`;
    if (index === undefined) this.#passLost(place, what, step);
    else this.#passOrdered(index, place, what, step);
  }

  /** What has not come by now is lost. */
  end(): void {
    for (const { what, step, missing } of this.#gaps) {
      if (missing.size === 0) continue;
      const some = [...missing].slice(0, 10).join(", ");
      this.#find("lost", missing.size, `${what}: never told of ${some}`, step);
    }
  }

  #passOrdered(index: number, { position, id }: Place, what: string, step: number): void {
    if (this.#reached !== undefined && index <= this.#reached) {
      const late = this.#gaps.some(({ missing }) => missing.delete(id));
      this.#find(late ? "out of order" : "doubled", 1, what, step);
      return;
    }
    if (this.#index === undefined) {
      this.#find("falsely recovered", 1, `${what}, which had been lost`, step);
    }
    if (this.#reached !== undefined) {
      const passed = this.#order.places.slice(this.#reached + 1, index).map((place) => place.id);
      this.#passOver(passed, what, step);
    }
    this.#before = position;
    this.#index = index;
    this.#reached = index;
  }

  /** An event that Redis lost later: until then it had its place. */
  #passLost({ position, id }: Place, what: string, step: number): void {
    const before = this.#before;
    const { epoch, n } = position;
    if (epoch < before.epoch) {
      this.#find("stale", 1, what, step);
      return;
    }
    if (epoch === before.epoch && n <= before.n) {
      const late = this.#gaps.some(({ missing }) => missing.delete(id));
      this.#find(late ? "out of order" : "doubled", 1, what, step);
      return;
    }
    if (epoch !== before.epoch && this.#index === undefined && this.#hadGoneBy(epoch)) {
      this.#find("falsely recovered", 1, `${what}, which had been lost`, step);
    }
    // A history that was thrown away begins anew at 1; one that lost its end counts on.
    if (n > 1) this.#passOver(this.#room.knownBetween(epoch, before.n, n), what, step);
    this.#before = position;
    this.#index = undefined;
  }

  /**
   * Whether where it stood had been lost when an epoch began, and not only afterwards, together with what came in that
   * epoch. Epochs are the time of their beginning, in microseconds since 1970.
   */
  #hadGoneBy(epoch: number): boolean {
    const lostAt = this.#room.find(this.#before)?.lostAt;
    return lostAt === undefined || epoch / 1_000 > lostAt;
  }

  #passOver(ids: readonly string[], what: string, step: number): void {
    const missing = new Set(ids.filter(isPublished));
    if (missing.size > 0) this.#gaps.push({ what, step, missing });
  }
}
