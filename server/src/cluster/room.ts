import { toEmitterError } from "@inthon/emitter";
import type { Position, RoomName } from "@inthon/emitter/protocol";
import type { Counts } from "../telemetry/counts.js";
import type { Logger } from "../telemetry/log.js";
import {
  isReadable,
  type Broker,
  type HistoryEntry,
  type HistoryPage,
  type Postmark,
  type RoomEvent,
} from "./ports.js";
import { follow } from "./event-runs.js";
import { RecentEvents, type RoomLimits } from "./recent-events.js";
import { pause } from "./retry.js";
import { isInHistory, placeIn } from "./standing.js";

/** What a room tells its holder, synchronously and in the room's order. */
export interface RoomListener {
  /**
   * Hand this event to every member.
   *
   * @param postmark - of an event that has just arrived; one that was read from history has none
   */
  onEvent(room: Room, event: RoomEvent, postmark: Postmark | undefined): void;
  /** Events may have been lost for good: members, told up to the room's position, must begin anew. */
  onLoss(room: Room): void;
}

const READ_PAGE = { events: 500, bytes: 1_048_576 };
/** As {@link pause} counts: up to 200 ms between two readings of a room whose subscription Redis refuses. */
const MOST_UNHEARD = 2;
/** How often older events are read for one who comes back, while Redis becomes another one again and again. */
const MAX_READINGS = 5;

export interface RoomOptions extends RoomLimits {
  readonly log: Logger;
  readonly counts: Pick<Counts, "gaps" | "historyReadSeconds">;
}

/** A reading of older events. */
interface Backfill {
  /** Losses before it began. */
  readonly losses: number;
  /** Whether it was of the history that this replica knows. */
  readonly done: Promise<boolean>;
}

/**
 * A role room as one replica holds it: the place it has reached, and its recent events.
 *
 * Invariant: members are told exactly the events up to {@link Room.position}, in order. While `live`, the subscription
 * has not been interrupted since then, so what arrives next is what follows. Otherwise what arrives is only noted, and
 * read from history in order: everything published is in history first.
 */
export class Room {
  readonly name: RoomName;
  /** Resolves when the room can take members; rejects when it is closed before. */
  readonly opened: Promise<void>;
  readonly #broker: Broker;
  readonly #listener: RoomListener;
  readonly #log: Logger;
  readonly #counts: RoomOptions["counts"];
  readonly #closing = new AbortController();
  #position: Position | undefined;
  /** Where earlier epochs of the history ended. */
  #ends: readonly Position[] = [];
  #isOpen = false;
  #isLive = false;
  /** The newest event that arrived since the last reading began. */
  #noted: Position | undefined;
  #catchingUp: Promise<void> | undefined;
  /** The epoch whose first event has arrived since the last reading, with the subscription unbroken. */
  #begun: number | undefined;
  /** How often the subscription broke. */
  #interruptions = 0;
  readonly #limits: RoomLimits;
  /** Up to the position. */
  readonly #recent: RecentEvents;
  #backfilling: Backfill | undefined;
  /** How often something of the history was lost that members had been told. */
  #losses = 0;
  /** No history reaches back to places before this number: found out by reading, and true until a loss. */
  #oldestReached = 0;
  /** What members have been told of the teacher, by `connected` and by announcements. */
  #announced: boolean | undefined;
  #asking: Promise<boolean> | undefined;

  constructor(name: RoomName, broker: Broker, listener: RoomListener, options: RoomOptions) {
    this.name = name;
    this.#broker = broker;
    this.#listener = listener;
    this.#limits = options;
    this.#recent = new RecentEvents(options);
    this.#log = options.log;
    this.#counts = options.counts;
    this.opened = this.#open();
    // Whoever holds the room awaits it; a room that is closed meanwhile has nobody left to tell.
    this.opened.catch(() => undefined);
  }

  /** The newest place that members have been told. Only after {@link Room.opened}. */
  get position(): Position {
    if (!this.#position) throw new Error(`room ${this.name} is not open`);
    return this.#position;
  }

  /** How many events its history has had, as far as this replica knows. */
  get reached(): number {
    return this.#position?.n ?? 0;
  }

  /** Whether a member could be taken at once: the room is open, and it is known what to tell of the teacher. */
  get isReady(): boolean {
    return this.#isOpen && this.#announced !== undefined;
  }

  /** Whether what arrives next is what follows: members have been told all that was published. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** How many events are kept in memory. */
  get cachedEvents(): number {
    return this.#recent.length;
  }

  /** What members have been told of the teacher; `false` until {@link Room.learnPresence}. */
  get teacherOnline(): boolean {
    return this.#announced ?? false;
  }

  /**
   * Makes sure that {@link Room.teacherOnline} is known. Announcements keep it true from then on: whoever becomes a
   * member is told what the other members have been told.
   *
   * @param ask - what has been announced in the cluster; asked once for all who wait
   */
  async learnPresence(ask: () => Promise<boolean>): Promise<void> {
    while (this.#announced === undefined) {
      this.#asking ??= ask().finally(() => {
        this.#asking = undefined;
      });
      const answer = await this.#asking;
      // An announcement that came meanwhile is at least as new.
      this.#announced ??= answer;
    }
  }

  /** The subscription broke: what arrives from now on may follow a hole. */
  onDisconnect(): void {
    this.#isLive = false;
    this.#begun = undefined;
    this.#interruptions++;
  }

  /** The subscription is there again: fills what was missed. */
  onReconnect(): void {
    if (this.#position) void this.#catchUp();
  }

  close(): void {
    this.#closing.abort();
    this.#isOpen = false;
    this.#isLive = false;
    this.#recent.clear();
  }

  /**
   * The entries after `from` that members have been told, or `undefined` where this replica does not have all of them.
   * Announcements that repeated what members knew are among them, and what cannot be read.
   *
   * @param limit - how many of them, the oldest first
   */
  eventsSince(from: Position, limit = Infinity): readonly HistoryEntry[] | undefined {
    if (!this.#hasReached(from)) return undefined;
    return this.#recent.newest(this.position.n - from.n, limit);
  }

  /**
   * Makes sure that {@link Room.eventsSince} answers for `from` if history can: catches up where this replica is
   * behind the client, and reads older events, once for all who ask.
   *
   * @returns whether it can
   */
  async reachBackTo(from: Position): Promise<boolean> {
    // What is behind the end of its epoch was lost, and is not given again.
    const mayBeAhead = () => !this.#hasReached(from) && from.epoch >= this.position.epoch;
    if (mayBeAhead()) await this.#catchUp();
    // Once more: that reading may have been under way before the client's newest event was published.
    if (mayBeAhead()) await this.#catchUp();
    if (!this.#hasReached(from)) return false;
    for (let readings = 0; !this.eventsSince(from, 0) && readings < MAX_READINGS; readings++) {
      if (from.n < this.#oldestReached) return false;
      const reading = (this.#backfilling ??= this.#startBackfill());
      const isConclusive = await reading.done;
      // A reading that had begun before a loss was of what the history was then: it says nothing of what it is.
      if (reading.losses !== this.#losses) continue;
      if (isConclusive) break;
      // The history is another one than this replica knows: it has to learn of that first.
      await this.#catchUp();
      if (!this.#hasReached(from)) return false;
    }
    return this.eventsSince(from, 0) !== undefined;
  }

  /** Whether the event at a place is the end of the session, as far as history tells. */
  async isEndAt(place: Position): Promise<boolean> {
    if (place.n === 0) return false;
    const standing = { head: this.position, ends: this.#ends };
    if (!(await this.reachBackTo(placeIn(standing, place.n - 1)))) return false;
    const [entry] = this.#recent.newest(this.position.n - place.n + 1, 1) ?? [];
    return entry?.event?.event === "session_ended";
  }

  /** Whether a place is one that this replica has reached in the history as it is now. */
  #hasReached(place: Position): boolean {
    return (
      place.n <= this.position.n && isInHistory({ head: this.position, ends: this.#ends }, place)
    );
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #open(): Promise<void> {
    await this.#broker.subscribe(this.name, (event, postmark) => {
      this.#receive(event, postmark);
    });
    await this.#catchUp();
    this.#closing.signal.throwIfAborted();
    this.#isOpen = true;
  }

  #receive(event: RoomEvent, postmark: Postmark | undefined): void {
    const position = this.#position;
    if (!this.#isLive || !position) {
      this.#noted = event.position;
      return;
    }
    const { epoch, n } = event.position;
    if (epoch === position.epoch) {
      if (n === position.n + 1) this.#apply(event, postmark);
      else if (n > position.n) this.#readUpTo(event.position);
    } else {
      // Redis has begun another epoch: what it kept of the one before can only be read, and whether it has.
      if (n === 1) this.#begun = epoch;
      this.#readUpTo(event.position);
    }
  }

  #readUpTo(place: Position): void {
    this.#noted = place;
    void this.#catchUp();
  }

  #apply(event: HistoryEntry, postmark?: Postmark): void {
    this.#position = event.position;
    this.#recent.add(event);
    if (isReadable(event) && !this.#isRepetition(event)) {
      this.#listener.onEvent(this, event, postmark);
    }
  }

  /** A Redis that forgot what it had announced announces it again; members know it already. */
  #isRepetition({ event, isAnnouncement }: RoomEvent): boolean {
    if (!isAnnouncement || event.event !== "teacher_presence") return false;
    const isKnown = this.#announced === event.is_online;
    this.#announced = event.is_online;
    return isKnown;
  }

  /** Reads on from the position until nothing is left that was published before, then goes live. */
  #catchUp(): Promise<void> {
    this.#isLive = false;
    this.#catchingUp ??= this.#readOn();
    return this.#catchingUp;
  }

  async #readOn(): Promise<void> {
    let failures = 0;
    let unheard = 0;
    let hasFilled = false;
    while (!this.#isClosed()) {
      // What was published before a reading that began under the subscription is in it; what is published later arrives.
      const interruptions = this.#broker.isHeard(this.name) ? this.#interruptions : undefined;
      // What arrived before this reading will be in it.
      this.#noted = undefined;
      try {
        const since = performance.now();
        const page = await this.#broker.read(this.name, this.#position, READ_PAGE);
        this.#counts.historyReadSeconds.observeSince(since);
        if (this.#isClosed()) return;
        if (this.#merge(page) && !hasFilled) {
          hasFilled = true;
          this.#counts.gaps.add({ outcome: "filled" });
        }
        failures = 0;
        const isUnbroken = interruptions === this.#interruptions;
        if (isUnbroken && !this.#isBehind(page.head)) {
          // In the same step, so that whoever finds the room not live begins to read anew.
          this.#catchingUp = undefined;
          this.#isLive = true;
          return;
        }
        // Its members are told from history meanwhile: now and then, as many rooms may be refused at once.
        unheard = this.#broker.isHeard(this.name) ? 0 : Math.min(unheard + 1, MOST_UNHEARD);
        if (unheard > 0) await pause(unheard, this.#closing.signal);
        continue;
      } catch (error) {
        const { code } = toEmitterError(error);
        const what = "a room's history cannot be read, trying again: its new clients wait";
        this.#log.warn({ err: error, code, room: this.name }, what);
      }
      await pause(failures++, this.#closing.signal);
    }
  }

  /** Whether there is more than what has just been read. */
  #isBehind(head: Position): boolean {
    const { epoch, n } = this.position;
    // What arrived meanwhile from another epoch tells that the history was lost, or is old: reading again decides.
    const isOther = this.#noted !== undefined && this.#noted.epoch !== epoch;
    return isOther || head.n > n || (this.#noted?.n ?? 0) > n;
  }

  /** @returns whether members have been told something by it that they had missed */
  #merge({ head, ends, events }: HistoryPage): boolean {
    const begun = this.#begun;
    this.#begun = undefined;
    this.#ends = ends;
    if (!this.#position) {
      this.#position = head;
      return false;
    }
    if (begun === head.epoch && ends.length === 0 && events.length > 0 && follow(events, 0)) {
      // The history was lost, the subscription was not, so members miss nothing: they hear the new one from its beginning.
      this.#noteForgotten(this.#position);
      this.#beginAt({ epoch: head.epoch, n: 0 });
    }
    const position = this.#position;
    const isWhole = follow(events, position.n) && (events.length > 0 || head.n === position.n);
    if (isWhole && isInHistory({ head, ends }, position)) {
      for (const event of events) this.#apply(event);
      return events.length > 0;
    }
    this.#log.warn(
      { room: this.name, position, head },
      "the history no longer holds what this replica missed: members begin anew",
    );
    this.#losses++;
    this.#counts.gaps.add({ outcome: "lost" });
    // While the room still stands where they have come to: that is what is logged of them.
    this.#listener.onLoss(this);
    this.#beginAt(head);
    this.#announced = undefined;
    return false;
  }

  /** Whoever is away has lost what it has not heard, and is told so when it comes back. */
  #noteForgotten(position: Position): void {
    if (position.n === 0) return;
    this.#log.warn(
      { room: this.name, position },
      "Redis has forgotten this room's history: members have heard all of it and go on, who comes back begins anew",
    );
    this.#counts.gaps.add({ outcome: "forgotten" });
  }

  /** What was before this place is of another history. */
  #beginAt(place: Position): void {
    this.#position = place;
    this.#recent.clear();
    this.#oldestReached = 0;
  }

  /** The oldest place from which the recent events go on. */
  #firstReached(): number {
    return (this.#recent.oldest ?? this.position.n + 1) - 1;
  }

  /** Once for all who ask. */
  #startBackfill(): Backfill {
    const losses = this.#losses;
    const done = this.#backfill()
      .then((isConclusive) => {
        // What it did not find has left the history, which only moves on.
        if (isConclusive && losses === this.#losses) this.#oldestReached = this.#firstReached();
        return isConclusive;
      })
      .finally(() => {
        this.#backfilling = undefined;
      });
    return { losses, done };
  }

  /**
   * Reads what came before the recent events, and joins it to them where nothing is missing between.
   *
   * @returns whether it was of the history that this replica knows
   */
  async #backfill(): Promise<boolean> {
    const wanted = () => this.#firstReached();
    // A history may be longer than what is remembered of it, by the limits of others or by nobody's.
    const older = new RecentEvents(this.#limits);
    let from = placeIn(
      { head: this.position, ends: this.#ends },
      this.#recent.oldestKept(this.position.n),
    );
    const losses = this.#losses;
    while (from.n < wanted()) {
      const reached = this.position;
      const since = performance.now();
      const page = await this.#broker.read(this.name, from, READ_PAGE);
      this.#counts.historyReadSeconds.observeSince(since);
      // Pages of two histories do not make one, also where this replica has yet to learn of the loss.
      if (losses !== this.#losses || !isInHistory(page, reached)) return false;
      const { events } = page;
      const last = events.at(-1);
      if (!last) return true;
      for (const event of events) {
        // The oldest may have gone while the others were read.
        if (event.position.n !== from.n + 1) older.clear();
        older.add(event);
        from = event.position;
      }
    }
    const missing = older.upTo(wanted());
    const last = missing.at(-1)?.position;
    if (last?.n !== wanted() || !this.#hasReached(last)) return true;
    this.#recent.putBefore(missing);
    return true;
  }
}
