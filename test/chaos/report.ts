import type { Faults } from "./faults/faults.js";
import type { Finding } from "./judge/findings.js";
import type { ChaosOptions } from "./options.js";
import type { Plan } from "./plan.js";
import type { Publishers } from "./world/publishers.js";
import type { RoomTruth } from "./judge/room-truth.js";
import type { Track } from "./judge/track.js";
import type { Truth } from "./judge/truth.js";

/** What came of a run. */
export interface Report {
  readonly isClean: boolean;
  readonly rows: readonly (readonly [name: string, value: string])[];
  readonly findings: readonly Finding[];
  /** Faults as they were made. */
  readonly faultLog: readonly string[];
  /** What the replicas logged. */
  readonly logs: readonly string[];
}

interface Outcome {
  readonly options: ChaosOptions;
  readonly plan: Plan;
  readonly truth: Truth;
  readonly tracks: readonly Track[];
  readonly faults: Faults;
  readonly publishers: Publishers;
  readonly logs: readonly string[];
}

export function makeReport(outcome: Outcome): Report {
  const { options, plan, truth, tracks, faults, publishers, logs } = outcome;
  const { findings, rooms } = truth;
  const goneOf = (total: number, room: RoomTruth) => total + room.gone(room.order());
  const sum = (value: (track: Track) => number) =>
    tracks.reduce((total, track) => total + value(track), 0);
  const late = plan.clients.filter(({ joinAtMs }) => joinAtMs > 0).length;
  const rows: [string, number | string][] = [
    ["seed", options.seed],
    ["clients", `${tracks.length}, ${late} of them late`],
    ["events accepted", publishers.accepted],
    ["  of them repeated and recognised", publishers.repeated],
    ["events without a Pub/Sub message", publishers.swallowed],
    ["events given up", publishers.givenUp],
    ["deliveries", sum(({ deliveries }) => deliveries)],
    ["faults", [...faults.counts.values()].reduce((a, b) => a + b, 0)],
    ...[...faults.counts].map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ["clients that ended in their first packet", faults.firstPackets],
    ["reconnects", sum(({ connections }) => Math.max(0, connections - 1))],
    ["  recovered", sum(({ recovered }) => recovered)],
    ["  not recovered", sum(({ notRecovered }) => notRecovered)],
    ["  not recovered, though history could serve", findings.count("wrongly not recovered")],
    ...(truth.losses.length > 0 ? flowAgain(truth, tracks) : []),
    ["places promised to publishers", rooms.reduce((total, room) => total + room.promised, 0)],
    ["  gone with a loss of Redis, and told", rooms.reduce(goneOf, 0)],
    ["lost", findings.count("lost")],
    ["doubled", findings.count("doubled")],
    ["out of order", findings.count("out of order")],
    ["falsely recovered", findings.count("falsely recovered")],
    ["numbers given twice", findings.count("given twice")],
    ["dropped from history, though Redis still had it", findings.count("dropped")],
    ["contradictions", findings.count("contradiction")],
    ["of a lost history", findings.count("stale")],
    ["leaked", findings.count("leaked")],
    ["hung", findings.count("hung")],
    ["broken", findings.count("broken")],
  ];
  return {
    isClean: findings.isClean,
    rows: rows.map(([name, value]) => [
      name,
      typeof value === "number" && name !== "seed" ? value.toLocaleString("en") : String(value),
    ]),
    findings: findings.first,
    faultLog: faults.log,
    logs,
  };
}

/** How long after a loss of memory clients had something of the new history: they were told, or got an event. */
function flowAgain(truth: Truth, tracks: readonly Track[]): [string, string][] {
  const delays = truth.losses
    .flatMap((loss) => tracks.flatMap((track) => track.timeToNewHistory(loss) ?? []))
    .sort((a, b) => a - b);
  const at = (share: number) => `${delays[Math.floor((delays.length - 1) * share)] ?? 0} ms`;
  const histories = truth.rooms.reduce((total, room) => total + room.epochs, 0);
  return [
    ["histories begun", `${histories} in ${truth.rooms.length} rooms`],
    ["clients in a new history after", `${at(0.5)} (median), ${at(0.99)} (99 %), ${at(1)} (all)`],
  ];
}

/** The report as a table, then what is wrong, in detail, and the verdict. */
export function formatReport({ isClean, rows, findings, faultLog }: Report): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const verdict = ["", isClean ? "Clean." : "NOT CLEAN."];
  if (findings.length === 0) return [...table, ...verdict].join("\n");
  const details = findings.flatMap(({ kind, whose, what, story }) => [
    "",
    `${kind}: ${whose}: ${what}`,
    ...story.map((line) => `    ${line}`),
  ]);
  const log = ["", "The faults:", ...faultLog.map((line) => `    ${line}`)];
  return [...table, ...details, ...log, ...verdict].join("\n");
}
