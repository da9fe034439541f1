import { formatOffset, type Position, type Role } from "@inthon/emitter/protocol";
import type { Findings } from "./findings.js";
import { Order } from "./order.js";
import { isPublished, type Place } from "./place.js";

/** Why a history is read. */
export type Reading =
  /** To know what is in it. */
  | { readonly kind: "look" }
  /** Redis is back with what it still had, and nobody has reached it yet; it went away at this time. */
  | { readonly kind: "rollback"; readonly at: number }
  /** It is thrown away in the same moment. */
  | { readonly kind: "flush"; readonly at: number };

/** The order of one room, as publishers were promised it, as clients see it and as history holds it: all must agree. */
export class RoomTruth {
  readonly session: string;
  readonly role: Role;
  readonly #findings: Findings;
  readonly #places: Place[] = [];
  readonly #indexOf = new Map<string, number>();
  readonly #idAt = new Map<string, string>();
  readonly #promised = new Set<number>();
  readonly #ended: { readonly places: readonly number[]; readonly at: number }[] = [];
  #held: readonly number[] = [];
  /** What Redis still had after it had lost something: nobody else may drop it. */
  #survivors: readonly number[] = [];
  /** The last event of the run. */
  sentinel: Position | undefined;

  constructor(session: string, role: Role, findings: Findings) {
    this.session = session;
    this.role = role;
    this.#findings = findings;
  }

  get name(): string {
    return `${this.session}/${this.role}`;
  }

  /** A publisher was told that this event has this place. */
  promise(position: Position, id: string): void {
    this.#promised.add(this.#place(position, id, "was promised"));
  }

  /**
   * A client has received this event with this offset.
   *
   * @returns its number, for {@link RoomTruth.placeAt}
   */
  observe(position: Position, id: string): number {
    return this.#place(position, id, "was received");
  }

  /** The history holds these events, in this order. */
  read(entries: readonly (readonly [Position, string])[], reading: Reading): void {
    const places = entries.map(([position, id]) => this.#place(position, id, "is in the history"));
    this.#judgeHistory(places);
    switch (reading.kind) {
      case "look":
        this.#judgeSurvivors(places);
        this.#held = places;
        break;
      case "rollback": {
        const kept = new Set([...places, ...this.#ended.flatMap((history) => history.places)]);
        for (const [index, place] of this.#places.entries()) {
          if (!kept.has(index)) place.lostAt ??= reading.at;
        }
        this.#held = places;
        this.#survivors = places;
        break;
      }
      case "flush":
        this.#judgeSurvivors(places);
        this.#ended.push({ places, at: reading.at });
        this.#held = [];
        this.#survivors = [];
        break;
    }
  }

  /** The order as it was read last, behind the histories that were thrown away before. */
  order(): Order {
    const chains = [...this.#ended, { places: this.#held, at: Infinity }];
    return new Order(
      chains.map(({ places, at }) => ({ places: this.#resolve(places), endedAt: at })),
    );
  }

  placeAt(index: number): Place {
    const place = this.#places[index];
    if (!place) throw new Error(`room ${this.name} has no place ${index}`);
    return place;
  }

  /** The event that has this offset, as far as anybody knows. */
  find(position: Position): Place | undefined {
    const offset = formatOffset(position);
    const index = this.#indexOf.get(`${offset} ${this.#idAt.get(offset) ?? ""}`);
    return index === undefined ? undefined : this.#places[index];
  }

  /** The published events that are known in an epoch behind `after`, up to and without `before`. */
  knownBetween(epoch: number, after: number, before: number): string[] {
    const known: string[] = [];
    for (let n = after + 1; n < before; n++) {
      const id = this.#idAt.get(formatOffset({ epoch, n }));
      if (id !== undefined && isPublished(id)) known.push(id);
    }
    return known;
  }

  /** Places that publishers were promised. */
  get promised(): number {
    return this.#promised.size;
  }

  /** How many of them Redis has lost. */
  gone(order: Order): number {
    return this.#resolve([...this.#promised]).filter((place) => order.indexOf(place) === undefined)
      .length;
  }

  get epochs(): number {
    return new Set(this.#places.map(({ position }) => position.epoch)).size;
  }

  #resolve(indexes: readonly number[]): Place[] {
    return indexes.map((index) => this.placeAt(index));
  }

  #place(position: Position, id: string, how: string): number {
    const offset = formatOffset(position);
    const other = this.#idAt.get(offset);
    if (other === undefined) this.#idAt.set(offset, id);
    const key = `${offset} ${id}`;
    let index = this.#indexOf.get(key);
    if (index === undefined) {
      index = this.#places.push({ position, id }) - 1;
      this.#indexOf.set(key, index);
      if (other !== undefined) {
        this.#find("given twice", 1, `${offset} names ${other}, and ${id} ${how} there`);
      }
    }
    return index;
  }

  /** Numbers count on by one, or begin at 1 in a later epoch; no event is there twice. */
  #judgeHistory(places: readonly number[]): void {
    const ids = new Set<string>();
    let before: Position | undefined;
    for (const { position, id } of this.#resolve(places)) {
      if (before) {
        const isNext = position.n === before.n + 1 && position.epoch >= before.epoch;
        const isFirst = position.n === 1 && position.epoch > before.epoch;
        const step = `${formatOffset(position)} follows ${formatOffset(before)} in its history`;
        if (!isNext && !isFirst) this.#find("contradiction", 1, step);
      }
      before = position;
      if (!isPublished(id)) continue;
      if (ids.has(id)) this.#find("doubled", 1, `history holds ${id} twice`);
      ids.add(id);
    }
  }

  #judgeSurvivors(places: readonly number[]): void {
    const held = new Set(places);
    const dropped = this.#survivors.filter((index) => !held.has(index));
    this.#survivors = [];
    const first = dropped[0];
    if (first === undefined) return;
    const { position, id } = this.placeAt(first);
    const what = `${id} at ${formatOffset(position)} and ${dropped.length - 1} more`;
    this.#find("dropped", dropped.length, `${what}, which Redis still had, are gone from history`);
  }

  #find(kind: Parameters<Findings["add"]>[0], count: number, what: string): void {
    this.#findings.add(kind, count, `room ${this.name}`, what);
  }
}
