import type { SentEvent } from "../../../server/dist/classroom/batch.js";
import type { World } from "../world/world.js";
import type { Published, PublishedEvents } from "./published.js";

/** More announcements that repeat what is known than any world has in a row. */
const MAX_SKIPPED = 200;

/** Judges what one client is told, over all of its connections: each event after the one before, none twice, none left out. */
export class Stay {
  readonly room: string;
  readonly #world: World;
  readonly #published: PublishedEvents;
  readonly #who: string;
  /** The place of the last event that it has had, or that it began from. */
  position: string | undefined;
  /** What it was last told of the teacher. */
  belief: boolean | undefined;
  /** What this connection was last told by an announcement. */
  #announced: boolean | undefined;
  /** Events since it last began anew, by what tells them apart. */
  told = 0;

  constructor(world: World, published: PublishedEvents, who: string, room: string) {
    this.#world = world;
    this.#published = published;
    this.#who = who;
    this.room = room;
  }

  /** It is connected, from this place on. */
  begin({ event, offset }: SentEvent): void {
    if (event.event !== "connected") {
      this.#violate("`connected` comes first", `${event.event} ${offset}`);
      return;
    }
    this.position = offset;
    this.belief = event.teacher_online;
    this.#announced = undefined;
  }

  hear({ event, offset }: SentEvent): void {
    const { position } = this;
    const published = this.#published.find(this.room, offset);
    this.told++;
    if (event.event === "connected") {
      this.#violate("`connected` comes once", offset);
      return;
    }
    if (!published) {
      this.#violate("what is told was published", `${offset} ${JSON.stringify(event)}`);
      return;
    }
    if (published.json !== JSON.stringify(event)) {
      this.#violate("what is told is what was published", `${offset} ${published.json}`);
    }
    if (position !== undefined && !this.#follows(position, published)) {
      const missed = this.#published
        .of(this.room)
        .slice((this.#published.find(this.room, position)?.index ?? -1) + 1, published.index + 1);
      const list = missed.map((one) => one.offset).join(" ");
      this.#violate(
        "no gap, no duplicate, in order",
        `${offset} after ${position} (published: ${list})`,
      );
    }
    this.position = offset;
    if (event.event !== "teacher_presence") return;
    if (published.isAnnouncement && event.is_online === this.#announced)
      this.#violate(
        "one announcement per change",
        `${offset} tells again ${String(event.is_online)}`,
      );
    this.belief = event.is_online;
    this.#announced = event.is_online;
  }

  /** Whether it has had all up to a place, but for what repeats what it knows. */
  hasHad(newest: string): boolean {
    if (this.position === undefined || newest === this.position) return true;
    const event = this.#published.find(this.room, newest);
    return event !== undefined && this.#isRepetition(event) && this.#follows(this.position, event);
  }

  #follows(position: string, next: Published): boolean {
    const from = this.#published.find(this.room, position);
    let at: Published | undefined = next;
    for (let i = 0; i < MAX_SKIPPED; i++) {
      const before: Published | undefined = at.before;
      if (before && before === from) return true;
      // The beginning of a history: whoever was there before it has missed nothing of it.
      if (!before && position.endsWith("-0")) return true;
      if (!before || !this.#isRepetition(before)) break;
      at = before;
    }
    if (!from) return false;
    // In the order in which all was published, whatever Redis has lost of it since.
    const between = this.#published.of(this.room).slice(from.index + 1, next.index);
    return next.index > from.index && between.every((one) => this.#isRepetition(one));
  }

  #isRepetition({ isAnnouncement, event }: Published): boolean {
    return isAnnouncement && event.event === "teacher_presence" && event.is_online === this.belief;
  }

  #violate(rule: string, what: string): void {
    this.#world.violate(rule, `${this.#who} in ${this.room}: ${what}`);
  }
}
