import type { Role } from "@inthon/emitter/protocol";
import type { Findings } from "./findings.js";
import { RoomTruth } from "./room-truth.js";

/** A loss of memory, by this machine's clock. */
export interface Loss {
  /** What was published before is gone, all of it or the newest part. */
  readonly at: number;
  /** When Redis could be used again. */
  readonly back: number;
}

/** What the whole run is judged by. */
export class Truth {
  readonly startedAt = Date.now();
  readonly findings: Findings;
  readonly losses: Loss[] = [];
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

  /** Seconds since the start, for stories. */
  clock(time = Date.now()): string {
    return `${((time - this.startedAt) / 1_000).toFixed(2).padStart(6)} s`;
  }
}

/** How the name of the server's own word begins that no teacher is there. */
export const AWAY = "teacher_presence false";

/** What names an event among all that are published here; the server's own have no number. */
export function idOf(object: Readonly<Record<string, unknown>>): string {
  const { event, question_id: question, note, capture_url: url } = object;
  if (typeof question === "number") return String(question);
  if (typeof note === "string" && note !== "") return note;
  if (typeof url === "string") return url.slice(url.lastIndexOf("/") + 1);
  return `${String(event)} ${String(object["is_online"])} ${String(object["changed_at"])}`;
}
