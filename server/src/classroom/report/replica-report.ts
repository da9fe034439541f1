import { parseRoomName } from "@inthon/emitter/protocol";
import { NotReady } from "../../cluster/not-ready.js";
import type { Teller } from "../../cluster/ports.js";
import type { Counts } from "../../telemetry/counts.js";
import { PROTOCOLS } from "../../telemetry/labels.js";
import type { Refusals } from "../../telemetry/refusals.js";
import type { Classroom } from "../classroom.js";
import type { ClassroomServer } from "../connection.js";
import { findConnections } from "./find.js";
import type { Happenings } from "./happenings.js";
import { MAX_SESSIONS, type Report, type SessionRow } from "./report.js";
import { CountsWindow } from "./window.js";

const MAX_PROBLEMS = 8;
const MIB = 1024 * 1024;

export interface ReplicaReportOptions {
  readonly nodeId: string;
  readonly io: ClassroomServer;
  readonly classroom: Pick<Classroom, "census">;
  readonly counts: Counts;
  readonly refusals: Refusals;
  readonly happenings: Happenings;
  /** As `/readyz` is answered by. */
  readonly check: () => readonly NotReady[];
  readonly isDraining: () => boolean;
}

/** What this replica tells operators of itself. Nothing is gathered before it is asked: no event and no connection costs more. */
export class ReplicaReport implements Teller {
  readonly #options: ReplicaReportOptions;
  readonly #window: CountsWindow;
  readonly #startedAt = Math.round(Date.now() - process.uptime() * 1_000);
  #n = 0;

  constructor(options: ReplicaReportOptions) {
    this.#options = options;
    this.#window = new CountsWindow(options.counts, options.refusals);
  }

  report(): string {
    const { nodeId, counts, happenings } = this.#options;
    const { rooms, sessions } = this.#census();
    const all = [...counts.connections.rows()];
    const sum = (label: "protocol" | "role", value: string) =>
      all.reduce((total, { labels, count }) => total + (labels[label] === value ? count : 0), 0);
    const report: Report = {
      node: nodeId,
      started_at: this.#startedAt,
      n: this.#n++,
      ...this.#state(),
      connections: Object.fromEntries(
        PROTOCOLS.map((protocol) => [protocol, sum("protocol", protocol)]),
      ) as Report["connections"],
      teachers: sum("role", "teacher"),
      students: sum("role", "student"),
      rooms,
      sessions: sessions.length,
      memory_mib: Math.round(process.memoryUsage.rss() / MIB),
      lately: this.#window.look(),
      busiest: busiest(sessions),
      happened: [...happenings.all],
    };
    return JSON.stringify(report);
  }

  answer(question: string): string {
    const { io, nodeId } = this.#options;
    return JSON.stringify(findConnections(io, nodeId, question));
  }

  #state(): Pick<Report, "state" | "problems"> {
    if (this.#options.isDraining()) return { state: "draining", problems: [] };
    try {
      const problems = this.#options.check().map(({ code }) => code);
      const state = problems.length > 0 ? "degraded" : "ready";
      return { state, problems: problems.slice(0, MAX_PROBLEMS) };
    } catch (error) {
      if (!(error instanceof NotReady)) throw error;
      return { state: "not_ready", problems: [error.code] };
    }
  }

  /** Those that somebody is in: a room is held for a while after that. */
  #census(): { rooms: number; sessions: SessionRow[] } {
    const sessions = new Map<string, SessionRow>();
    let rooms = 0;
    for (const { room, holders } of this.#options.classroom.census()) {
      const { sessionId, role } = parseRoomName(room.name) ?? {};
      if (sessionId === undefined || role === undefined) continue;
      rooms++;
      if (holders === 0) continue;
      const row = sessions.get(sessionId) ?? {
        session: sessionId,
        teachers: 0,
        students: 0,
        teacher_events: 0,
        student_events: 0,
        teacher_online: null,
      };
      row[`${role}s`] += holders;
      row[`${role}_events`] = room.reached;
      if (role === "student" && room.isReady) row.teacher_online = room.teacherOnline;
      sessions.set(sessionId, row);
    }
    return { rooms, sessions: [...sessions.values()] };
  }
}

/** Those with most connections. */
function busiest(sessions: SessionRow[]): SessionRow[] {
  const size = ({ teachers, students }: SessionRow) => teachers + students;
  return sessions.sort((a, b) => size(b) - size(a)).slice(0, MAX_SESSIONS);
}
