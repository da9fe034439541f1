import { formatOffset, parseOffset, type Position } from "@inthon/emitter/protocol";
import type { FindingKind } from "./findings.js";
import type { Order } from "./order.js";
import { Passage } from "./passage.js";
import type { RoomTruth } from "./room-truth.js";
import { AWAY, type Loss, type Truth } from "./truth.js";

/** What of its life is told with a finding: before it, and after it. */
const STORY = { before: 20, after: 4 };
/** What of its life is kept at all. */
const MAX_NOTES = 5_000;

/** A connection that was told that it was not recovered, or the first one. */
export interface FreshStart {
  /** How far it had got before. */
  readonly before: Position | undefined;
  readonly start: Position;
  readonly at: number;
}

/** What happened to a client, in its order: an event by its number in the room's truth, or a fresh start. */
export type Step = number | FreshStart;

interface Note {
  /** How many steps had been made. */
  readonly step: number;
  readonly at: number;
  readonly text: string;
}

/**
 * Follows one client through all of its connections. What can be seen at once is judged at once; whether it has
 * everything, when all is known: {@link Track.finish}.
 */
export class Track {
  readonly name: string;
  readonly room: RoomTruth;
  readonly #truth: Truth;
  readonly #steps: Step[] = [];
  #notes: Note[] = [];
  /** Each history that it was told of, and when. */
  readonly #histories: { readonly epoch: number; readonly at: number }[] = [];
  #position: Position | undefined;
  #isConnected = false;
  connections = 0;
  deliveries = 0;
  recovered = 0;
  notRecovered = 0;
  /** Connections that ended. */
  drops = 0;
  /** How often it heard that no teacher is there. */
  heardAway = 0;

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
  note(text: string): void {
    this.#notes.push({ step: this.#steps.length, at: Date.now(), text });
    if (this.#notes.length > 2 * MAX_NOTES) this.#notes = this.#notes.slice(-MAX_NOTES);
  }

  disconnected(why: string): void {
    this.#isConnected = false;
    this.drops++;
    this.note(`disconnected (${why}) at ${this.offset ?? "no position"}`);
  }

  /** The server has sent it away in a way that a client takes as final. */
  dismissed(why: string): void {
    this.#find("broken", 1, `sent away for good: ${why}`);
  }

  /**
   * @param isRecovered - what the client was given to understand
   * @param isTeacherOnline - as it was told, where it is a student
   */
  connected(
    offset: unknown,
    isRecovered: boolean,
    replica: string,
    isTeacherOnline?: unknown,
  ): void {
    const before = this.#position;
    const start = parseOffset(offset);
    this.connections++;
    this.#isConnected = true;
    const how = isRecovered ? ", recovered" : before ? ", not recovered" : "";
    this.note(`connected to ${replica} at ${String(offset)}${how}`);
    if (this.room.role === "student" && isTeacherOnline === false) this.#hearAway("connected");
    if (!start) {
      this.#find("broken", 1, `connected at ${String(offset)}, which is not an offset`);
      return;
    }
    this.#moveTo(start);
    if (!isRecovered) {
      if (before) this.notRecovered++;
      this.#steps.push({ before, start, at: Date.now() });
      return;
    }
    this.recovered++;
    if (!before) {
      this.#find("broken", 1, "recovered, though it had never been connected");
      this.#steps.push({ before, start, at: Date.now() });
    } else if (start.epoch !== before.epoch || start.n !== before.n) {
      const step = `from ${formatOffset(before)} to ${formatOffset(start)}`;
      this.#find("lost", Math.abs(start.n - before.n) || 1, `recovered, but moved ${step}`);
    }
  }

  event(offset: unknown, id: string): void {
    this.deliveries++;
    if (id.startsWith(AWAY)) this.#hearAway(`${id} at ${String(offset)}`);
    const position = parseOffset(offset);
    if (!position || !this.#position || !this.#isConnected) {
      const why = this.#isConnected ? "without an offset" : "before it was told connected";
      this.#find("broken", 1, `received ${id} at ${String(offset)} ${why}`);
      return;
    }
    this.#steps.push(this.room.observe(position, id));
    this.#moveTo(position);
  }

  /** Judges all of it by the room's order. */
  finish(order: Order): void {
    let passage: Passage | undefined;
    const find = (kind: FindingKind, count: number, what: string, step: number) => {
      this.#add(kind, count, what, this.#storyAt(step));
    };
    for (const [i, step] of this.#steps.entries()) {
      if (typeof step === "number") {
        passage?.pass(this.room.placeAt(step), i);
        continue;
      }
      passage?.end();
      this.#judgeFreshStart(step, order, i);
      passage = new Passage(this.room, order, step.start, find);
    }
    passage?.end();
    if (this.isDone) return;
    const { sentinel } = this.room;
    const goal = sentinel ? formatOffset(sentinel) : "a last event that was never accepted";
    this.#find("hung", 1, `stands at ${this.offset ?? "no position"}, and not at ${goal}`);
  }

  /** How long it took to get into a new history, where it had been in one before. */
  timeToNewHistory({ at, back }: Loss): number | undefined {
    if ((this.#histories[0]?.at ?? Infinity) >= at) return undefined;
    const next = this.#histories.find((history) => history.at >= at);
    return next && Math.max(0, next.at - back);
  }

  /** Nobody who can be served may be told of a loss. */
  #judgeFreshStart({ before, start, at }: FreshStart, order: Order, step: number): void {
    if (!before) return;
    const place = this.room.find(before);
    const index = place ? order.indexOf(place) : order.indexBehind(before);
    const wasLost =
      index === undefined
        ? this.#truth.losses.some((loss) => loss.at <= at) && (place?.lostAt ?? 0) <= at
        : order.endOf(index) <= at;
    // Which history an empty one was is not known to those who read only what is in it.
    if (wasLost || (before.n === 0 && this.#truth.losses.some((loss) => loss.at <= at))) return;
    const what = `moved from ${formatOffset(before)} to ${formatOffset(start)}, though history reaches back`;
    this.#add("wrongly not recovered", 1, what, this.#storyAt(step));
  }

  #hearAway(by: string): void {
    this.heardAway++;
    this.note(`heard that no teacher is there: ${by}`);
  }

  #moveTo(position: Position): void {
    if (position.epoch !== this.#position?.epoch) {
      this.#histories.push({ epoch: position.epoch, at: Date.now() });
    }
    this.#position = position;
  }

  #find(kind: FindingKind, count: number, what: string): void {
    this.note(`!! ${kind}: ${what}`);
    this.#add(kind, count, what, this.#storyAt(this.#steps.length));
  }

  #storyAt(step: number): string[] {
    const here = this.#notes.findLastIndex((note) => note.step <= step) + 1;
    return this.#notes
      .slice(Math.max(0, here - STORY.before), here + STORY.after)
      .map(({ at, text }) => `${this.#truth.clock(at)}  ${text}`);
  }

  #add(kind: FindingKind, count: number, what: string, story: readonly string[]): void {
    const whose = `${this.name}, room ${this.room.name}`;
    this.#truth.findings.add(kind, count, whose, what, story);
  }
}
