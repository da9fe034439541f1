import type { Position } from "@inthon/emitter/protocol";
import type { Place } from "./place.js";

/** A history from its beginning to its end. */
export interface Chain {
  readonly places: readonly Place[];
  /** When it was thrown away, in milliseconds since 1970. */
  readonly endedAt: number;
}

/** All that a room's history has held for good, in its order: what everybody who was told of no loss must have. */
export class Order {
  readonly places: readonly Place[];
  readonly #indexOf: ReadonlyMap<Place, number>;
  readonly #endOf: readonly number[];
  readonly #byNumber = new Map<number, number[]>();

  constructor(chains: readonly Chain[]) {
    this.places = chains.flatMap(({ places }) => places);
    this.#endOf = chains.flatMap(({ places, endedAt }) => places.map(() => endedAt));
    this.#indexOf = new Map(this.places.map((place, index) => [place, index]));
    for (const [index, { position }] of this.places.entries()) {
      const same = this.#byNumber.get(position.n);
      if (same) same.push(index);
      else this.#byNumber.set(position.n, [index]);
    }
  }

  /** Where an event is in the order; `undefined` where Redis has lost it. */
  indexOf(place: Place): number | undefined {
    return this.#indexOf.get(place);
  }

  /**
   * Where a position is that need not be an event's: after a new incarnation of Redis the newest event's number may be
   * told with the new epoch, and n = 0 is the place in front of the first one.
   *
   * @returns the index of the event that it stands behind, -1 in front of the first; `undefined` where it is lost
   */
  indexBehind({ epoch, n }: Position): number | undefined {
    const indexes = n === 0 ? [-1, ...this.places.keys()] : (this.#byNumber.get(n) ?? []);
    return indexes.find((index) => {
      const here = this.places[index]?.position.epoch ?? -Infinity;
      const next = this.places[index + 1]?.position;
      const isBefore = !next || next.epoch > epoch || (next.epoch === epoch && next.n > n);
      return here <= epoch && isBefore;
    });
  }

  /** When the history that holds this event was thrown away, in milliseconds since 1970. */
  endOf(index: number): number {
    return this.#endOf[index] ?? Infinity;
  }
}
