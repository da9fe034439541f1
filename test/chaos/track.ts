import { formatOffset, parseOffset, type Position } from "@inthon/emitter/protocol";
import type { FindingKind } from "./findings.js";
import type { Forget, RoomTruth, Truth } from "./truth.js";

/** What of its life is kept for each client. */
const MAX_STORY = 25;

/** Places of the order that were passed over without a word of a loss. */
interface Hole {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly what: string;
  readonly story: readonly string[];
}

/** A connection that was told that it was not recovered. */
interface FreshStart {
  readonly before: Position;
  readonly at: number;
  readonly step: string;
  readonly story: readonly string[];
}

/**
 * Follows one client, and judges all that it is told, at once: from its join position on, one event after the other,
 * without a hole, across all of its connections.
 */
export class Track {
  readonly name: string;
  readonly room: RoomTruth;
  readonly #truth: Truth;
  readonly #story: string[] = [];
  readonly #holes: Hole[] = [];
  readonly #freshStarts: FreshStart[] = [];
  /** What came after all, as `epoch-n`. */
  readonly #late = new Set<string>();
  /** Each history that it was told of, and when. */
  readonly #histories: { readonly epoch: number; readonly at: number }[] = [];
  #position: Position | undefined;
  #isConnected = false;
  connections = 0;
  deliveries = 0;
  recovered = 0;
  notRecovered = 0;

  constructor(name: string, room: RoomTruth, truth: Truth) {
    this.name = name;
    this.room = room;
    this.#truth = truth;
  }

  /** The offset of the last event that it has seen, or its join position. */
  get offset(): string | undefined {
    return this.#position && formatOffset(this.#position);
  }

  /** Whether it is as far as the last event of the run. */
  get isDone(): boolean {
    const { sentinel } = this.room;
    const position = this.#position;
    return sentinel?.epoch === position?.epoch && (sentinel?.n ?? Infinity) <= (position?.n ?? -1);
  }

  /** Whether it has been told `connected` on its present connection. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Something that happened to it, for its story. */
  note(what: string): void {
    this.#story.push(`${this.#truth.clock()}  ${what}`);
    if (this.#story.length > MAX_STORY) this.#story.shift();
  }

  disconnected(why: string): void {
    this.#isConnected = false;
    this.note(`disconnected (${why}) at ${this.offset ?? "no position"}`);
  }

  /** The server has sent it away in a way that a client takes as final. */
  dismissed(why: string): void {
    this.#find("broken", 1, `sent away for good: ${why}`);
  }

  /** @param isRecovered - what the client was given to understand */
  connected(offset: unknown, isRecovered: boolean, replica: string): void {
    const before = this.#position;
    const start = parseOffset(offset);
    this.connections++;
    this.#isConnected = true;
    this.note(
      `connected to ${replica} at ${String(offset)}${isRecovered ? ", recovered" : before ? ", not recovered" : ""}`,
    );
    if (!start) {
      this.#find("broken", 1, `connected at ${String(offset)}, which is not an offset`);
      return;
    }
    this.#moveTo(start);
    if (!before) {
      if (isRecovered) this.#find("broken", 1, "recovered, though it had never been connected");
      return;
    }
    const step = `from ${formatOffset(before)} to ${formatOffset(start)}`;
    if (isRecovered) {
      this.recovered++;
      if (start.epoch !== before.epoch || start.n !== before.n) {
        this.#find("lost", Math.abs(start.n - before.n) || 1, `recovered, but moved ${step}`);
      }
      return;
    }
    this.notRecovered++;
    if (start.epoch < before.epoch) this.#find("leaked", 1, `went back ${step}`);
    this.#freshStarts.push({ before, at: Date.now(), step, story: [...this.#story] });
  }

  event(offset: unknown, id: string): void {
    this.deliveries++;
    const position = parseOffset(offset);
    const before = this.#position;
    if (!position || !before || !this.#isConnected) {
      const why = this.#isConnected ? "without an offset" : "before it was told connected";
      this.#find("broken", 1, `received ${id} at ${String(offset)} ${why}`);
      return;
    }
    this.room.observe(position, id);
    if (position.epoch < before.epoch) {
      this.#find("leaked", 1, `received ${formatOffset(position)} after ${formatOffset(before)}`);
      return;
    }
    if (position.epoch === before.epoch && position.n <= before.n) {
      this.#judgeOld(position, before, id);
      return;
    }
    this.#moveTo(position);
    const step = `received ${formatOffset(position)} after ${formatOffset(before)}`;
    if (position.epoch === before.epoch) {
      this.#passOver(position.epoch, before.n + 1, position.n - 1, step);
    } else {
      // Without a word of a loss: all of the old history, and the new one from its beginning.
      this.#passOver(before.epoch, before.n + 1, Infinity, step);
      this.#passOver(position.epoch, 1, position.n - 1, step);
    }
  }

  /** What can be judged only when all is known. */
  finish(): void {
    for (const { epoch, first, last, what, story } of this.#holes) {
      const missing = this.room
        .publishedBetween(epoch, first, last)
        .filter((id) => !this.#late.has(`${epoch} ${id}`));
      if (missing.length > 0) {
        this.#add("lost", missing.length, `${what}: missed ${missing.join(", ")}`, story);
      }
    }
    for (const { before, at, step, story } of this.#freshStarts) {
      if (this.#truth.isForgotten(before, at)) continue;
      this.#add("wrongly not recovered", 1, `moved ${step}, though history reaches back`, story);
    }
    if (!this.isDone) {
      const { sentinel } = this.room;
      const goal = sentinel ? formatOffset(sentinel) : "a last event that was never accepted";
      this.#find("hung", 1, `stands at ${this.offset ?? "no position"}, and not at ${goal}`);
    }
  }

  /** How long it took to get into a new history, where it had been in one before. */
  timeToNewHistory({ at, back }: Forget): number | undefined {
    if ((this.#histories[0]?.at ?? Infinity) >= at) return undefined;
    const next = this.#histories.find(({ epoch }) => epoch >= at);
    return next && Math.max(0, next.at - back);
  }

  #moveTo(position: Position): void {
    if (position.epoch !== this.#position?.epoch) {
      this.#histories.push({ epoch: position.epoch, at: Date.now() });
    }
    this.#position = position;
  }

  #passOver(epoch: number, first: number, last: number, what: string): void {
    if (last < first) return;
    this.note(`passed over something: ${what}`);
    this.#holes.push({ epoch, first, last, what, story: [...this.#story] });
  }

  #judgeOld(position: Position, before: Position, id: string): void {
    const step = `received ${formatOffset(position)} after ${formatOffset(before)}`;
    const wasMissing = this.#holes.some(
      ({ epoch, first, last }) =>
        epoch === position.epoch && first <= position.n && position.n <= last,
    );
    const key = `${position.epoch} ${id}`;
    this.#find(wasMissing && !this.#late.has(key) ? "out of order" : "doubled", 1, step);
    this.#late.add(key);
  }

  #find(kind: FindingKind, count: number, what: string): void {
    this.note(`!! ${kind}: ${what}`);
    this.#add(kind, count, what, [...this.#story]);
  }

  #add(kind: FindingKind, count: number, what: string, story: readonly string[]): void {
    const whose = `${this.name}, room ${this.room.name}`;
    this.#truth.findings.add(kind, count, whose, what, story);
  }
}
