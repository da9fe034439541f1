import { Check } from "typebox/value";
import type { Static } from "typebox";
import type { Notice } from "../../cluster/ports.js";
import { Report, type SessionRow } from "../../classroom/report/report.js";
import type { HappeningLine, OverviewText, ReplicaLine, SessionLine } from "./schemas.js";
import { lagOf } from "./percentiles.js";

type Line = Static<typeof ReplicaLine>;
type Happened = Static<typeof HappeningLine>;

/** How long those are shown that have gone. */
const REMEMBER_MS = 600_000;
/** What replicas have to tell again, when somebody begins to look again: two renewals of a lease, and two looks. */
const GRACE_MS = 7_000;
const MAX_REPLICAS = 300;
const MAX_HAPPENED = 60;
const MAX_SESSIONS = 20;

interface Seen {
  /** The name of its lease, by which it told last. */
  readonly name: string;
  readonly report: Report;
  readonly state: Line["state"];
  readonly atMs: number;
}

/** The whole cluster, put together from what its replicas have told, and what became of those that do not tell any more. */
export class Overview {
  /** By process: a replica of the same name that comes back is another one. */
  readonly #seen = new Map<string, Seen>();
  readonly #happened = new Map<string, Happened>();
  /** Replicas without a report that can be read, by the names of their leases. */
  #untold: readonly string[] = [];
  #looks = 0;
  /** Until then nobody is missed. */
  #graceUntilMs = 0;

  /** Somebody begins to look: as nobody has for a while, replicas have told nothing. */
  begin(nowMs: number): void {
    this.#graceUntilMs = nowMs + GRACE_MS;
  }

  /** Takes in what was read by one look. */
  add(notices: readonly Notice[], nowMs: number): void {
    const told = new Set<string>();
    const untold: string[] = [];
    for (const { name, report } of readable(notices)) {
      if (!report) {
        untold.push(name);
        continue;
      }
      const key = `${report.node} ${String(report.started_at)}`;
      told.add(key);
      if (!this.#seen.has(key) && this.#looks > 1) this.#note("came", report.node);
      this.#seen.set(key, { name, report, state: report.state, atMs: nowMs });
      for (const { at, kind, text } of report.happened) this.#note(kind, report.node, text, at);
    }
    const known = new Set<string>();
    for (const [key, seen] of this.#seen) {
      known.add(seen.name);
      if (!told.has(key)) this.#miss(key, seen, untold, nowMs);
    }
    this.#untold = untold.filter((name) => !known.has(name));
    this.#looks++;
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= MAX_REPLICAS) break;
      this.#seen.delete(key);
    }
    this.#forgetOldest();
  }

  /** @param trouble - why the newest look has brought nothing, for programs */
  show(everyMs: number, trouble: string | undefined): OverviewText {
    const all = [...this.#seen.values()];
    const live = all.filter(({ state }) => isLive(state)).map(({ report }) => report);
    const sum = (count: (report: Report) => number) =>
      live.reduce((total, report) => total + count(report), 0);
    const replicas = [...all.map(lineOf), ...this.#untold.map(untoldLine)];
    return {
      at: Date.now(),
      every_ms: everyMs,
      trouble: trouble ?? null,
      replicas: replicas.sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true })),
      total: {
        replicas: live.length,
        connections: sum(connectionsOf),
        teachers: sum(({ teachers }) => teachers),
        students: sum(({ students }) => students),
        told_per_s: Math.round(10 * sum(toldPerS)) / 10,
      },
      lag: lagOf(addUp(live.map(({ lately }) => lately.lag))),
      busiest: busiest(live),
      happened: [...this.#happened.values()].sort((a, b) => b.at - a.at).slice(0, MAX_HAPPENED),
    };
  }

  /**
   * One that has told before, and did not now.
   *
   * @param untold - the leases that are held without a report
   */
  #miss(key: string, seen: Seen, untold: readonly string[], nowMs: number): void {
    if (nowMs - seen.atMs > REMEMBER_MS) {
      this.#seen.delete(key);
      return;
    }
    const isListed = untold.includes(seen.name);
    // Who holds no lease will not tell, however long it is waited for; who claims anew has another one under the same name.
    const mayTell = untold.some((name) => nodeOf(name) === seen.report.node);
    if (mayTell && nowMs < this.#graceUntilMs) {
      if (isLive(seen.state)) this.#seen.set(key, { ...seen, state: "untold" });
      return;
    }
    const hasLeft = seen.report.state === "draining";
    const state = isListed ? "silent" : hasLeft ? "left" : "gone";
    if (state === seen.state) return;
    this.#seen.set(key, { ...seen, state });
    this.#note(state, seen.report.node);
  }

  #note(kind: Happened["kind"], node: string, text = "", at = Date.now()): void {
    this.#happened.set(`${node} ${String(at)} ${kind} ${text}`, { at, kind, node, text });
  }

  #forgetOldest(): void {
    const oldest = [...this.#happened].sort(([, a], [, b]) => a.at - b.at);
    for (const [key] of oldest.slice(0, -MAX_HAPPENED)) this.#happened.delete(key);
  }
}

/** What is no report of any version that this one can read is as if it had not been told. */
function readable(notices: readonly Notice[]): { name: string; report: Report | undefined }[] {
  return notices.map(({ node, report }) => {
    try {
      const parsed: unknown = report === undefined ? undefined : JSON.parse(report);
      return { name: node, report: Check(Report, parsed) ? parsed : undefined };
    } catch {
      return { name: node, report: undefined };
    }
  });
}

function isLive(state: Line["state"]): boolean {
  return state !== "silent" && state !== "left" && state !== "gone" && state !== "untold";
}

function lineOf({ report, state, atMs }: Seen): Line {
  const { lately } = report;
  return {
    node: report.node,
    state,
    problems: report.problems,
    started_at: report.started_at,
    told_ago_ms: Math.round(performance.now() - atMs),
    connections: report.connections,
    teachers: report.teachers,
    students: report.students,
    rooms: report.rooms,
    sessions: report.sessions,
    memory_mib: report.memory_mib,
    cpu: lately.cpu,
    told_per_s: toldPerS(report),
    lag: lagOf(lately.lag),
    refused: lately.refused,
  };
}

/** A name in the list of replicas of which nothing is known but that its lease is held. */
function untoldLine(name: string): Line {
  const none = { websocket: 0, polling: 0, plain: 0, "event-stream": 0 };
  return {
    node: nodeOf(name),
    state: "untold",
    problems: [],
    started_at: null,
    told_ago_ms: null,
    connections: none,
    teachers: 0,
    students: 0,
    rooms: 0,
    sessions: 0,
    memory_mib: 0,
    cpu: 0,
    told_per_s: 0,
    lag: lagOf([]),
    refused: {},
  };
}

/** What is behind the last dot tells one lease of a replica from the next. */
function nodeOf(name: string): string {
  return name.replace(/\.[^.]*$/, "");
}

function connectionsOf({ connections }: Report): number {
  return Object.values(connections).reduce((sum, count) => sum + count, 0);
}

function toldPerS({ lately: { told, seconds } }: Report): number {
  return seconds === 0 ? 0 : Math.round((10 * told) / seconds) / 10;
}

function addUp(lists: readonly (readonly number[])[]): readonly number[] {
  const length = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length }, (_, i) => lists.reduce((sum, list) => sum + (list[i] ?? 0), 0));
}

/** Those with most connections. Each replica names its own, so that one that is small there may be missing in a sum. */
function busiest(reports: readonly Report[]): SessionLine[] {
  const rows = new Map<string, SessionRow[]>();
  for (const { busiest } of reports) {
    for (const row of busiest) rows.set(row.session, [...(rows.get(row.session) ?? []), row]);
  }
  const unnamed = reports.filter(({ sessions, busiest }) => sessions > busiest.length);
  const lines = [...rows].map(([session, parts]): SessionLine => {
    const naming = reports.filter(({ busiest }) => busiest.some((row) => row.session === session));
    const most = (count: (row: SessionRow) => number) => Math.max(...parts.map(count));
    return {
      session,
      teachers: parts.reduce((sum, { teachers }) => sum + teachers, 0),
      students: parts.reduce((sum, { students }) => sum + students, 0),
      events: most((row) => row.teacher_events) + most((row) => row.student_events),
      teacher_online: parts.find((row) => row.teacher_online !== null)?.teacher_online ?? null,
      replicas: naming.map(({ node }) => node).sort(),
      at_least: unnamed.some((report) => !naming.includes(report)),
    };
  });
  return lines
    .sort((a, b) => b.teachers + b.students - a.teachers - a.students)
    .slice(0, MAX_SESSIONS);
}
