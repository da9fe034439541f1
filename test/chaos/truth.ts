import { formatOffset, type Position, type Role } from "@inthon/emitter/protocol";
import type { Findings } from "./findings.js";

/** A loss of memory, by Redis's clock, which is this machine's. */
export interface Forget {
  /** Histories that began before are gone. */
  readonly at: number;
  /** When Redis could be used again. */
  readonly back: number;
}

/** The server's own announcements have no number: a member who knows already is spared the repetition. */
const PUBLISHED = /^\d+$/;

interface Epoch {
  /** What the event at each `n` is, as far as anybody knows. */
  readonly ids: string[];
  readonly placeOf: Map<string, number>;
}

/** The order of one room, as publishers were promised it and as clients see it: all must agree. */
export class RoomTruth {
  readonly session: string;
  readonly role: Role;
  readonly #findings: Findings;
  readonly #epochs = new Map<number, Epoch>();
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

  /** History holds this event at this place. */
  remember(position: Position, id: string): void {
    this.#place(position, id, "is in the history");
  }

  /** A publisher was told that this event has this place. */
  promise(position: Position, id: string): void {
    this.#place(position, id, "was promised");
  }

  /** A client has received this event with this offset. */
  observe(position: Position, id: string): void {
    this.#place(position, id, "was received");
  }

  /** The events that publishers made among those from one place to another, both included. */
  publishedBetween(epoch: number, first: number, last: number): readonly string[] {
    const ids = this.#epochs.get(epoch)?.ids.slice(first, last + 1) ?? [];
    // In an array with holes `filter` skips what nobody knows of.
    return ids.filter((id) => PUBLISHED.test(id));
  }

  get epochs(): number {
    return this.#epochs.size;
  }

  #place(position: Position, id: string, how: string): void {
    const { n } = position;
    let epoch = this.#epochs.get(position.epoch);
    if (!epoch) {
      epoch = { ids: [], placeOf: new Map() };
      this.#epochs.set(position.epoch, epoch);
    }
    const known = epoch.ids[n];
    if (known === undefined) {
      epoch.ids[n] = id;
      const other = epoch.placeOf.get(id);
      if (other === undefined) epoch.placeOf.set(id, n);
      else this.#contradict(`${id} ${how} at ${formatOffset(position)}, and is also at n ${other}`);
    } else if (known !== id) {
      this.#contradict(`at ${formatOffset(position)} ${id} ${how}, where ${known} is`);
    }
  }

  #contradict(what: string): void {
    this.#findings.add("contradiction", 1, `room ${this.name}`, what);
  }
}

/** What the whole run is judged by. */
export class Truth {
  readonly startedAt = Date.now();
  readonly findings: Findings;
  readonly forgets: Forget[] = [];
  readonly #rooms = new Map<string, RoomTruth>();

  constructor(findings: Findings) {
    this.findings = findings;
  }

  room(session: string, role: Role): RoomTruth {
    const name = `${session}/${role}`;
    let room = this.#rooms.get(name);
    if (!room) {
      room = new RoomTruth(session, role, this.findings);
      this.#rooms.set(name, room);
    }
    return room;
  }

  get rooms(): readonly RoomTruth[] {
    return [...this.#rooms.values()];
  }

  /** Whether the history that `position` belongs to had been lost by `time`. */
  isForgotten({ epoch }: Position, time: number): boolean {
    return this.forgets.some(({ at }) => at >= epoch && at <= time);
  }

  /** Seconds since the start, for stories. */
  clock(): string {
    return `${((Date.now() - this.startedAt) / 1_000).toFixed(2).padStart(6)} s`;
  }
}

/** What names an event among all that are published here; the server's own have no number. */
export function idOf(object: Readonly<Record<string, unknown>>): string {
  const { event, question_id: question, note, capture_url: url } = object;
  if (typeof question === "number") return String(question);
  if (typeof note === "string" && note !== "") return note;
  if (typeof url === "string") return url.slice(url.lastIndexOf("/") + 1);
  return `${String(event)} ${String(object["is_online"])} ${String(object["changed_at"])}`;
}
