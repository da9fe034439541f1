import type { Finding } from "../../chaos/judge/findings.js";
import type { Track } from "../../chaos/judge/track.js";
import type { Truth } from "../../chaos/judge/truth.js";
import type { Publishers } from "../../chaos/world/publishers.js";
import type { RollbackOptions } from "./options.js";

/** What came of it. */
export interface RollbackReport {
  readonly isClean: boolean;
  readonly rows: readonly (readonly [name: string, value: number | string])[];
  readonly findings: readonly Finding[];
  /** What the replicas logged. */
  readonly logs: readonly string[];
}

interface Outcome {
  readonly options: RollbackOptions;
  readonly truth: Truth;
  readonly tracks: readonly Track[];
  readonly publishers: Publishers;
  readonly logs: readonly string[];
}

export function makeReport({ options, truth, tracks, publishers, logs }: Outcome): RollbackReport {
  const { findings, rooms } = truth;
  const sum = (value: (track: Track) => number) =>
    tracks.reduce((total, track) => total + value(track), 0);
  const gone = rooms.reduce((total, room) => total + room.gone(room.order()), 0);
  // With an append-only file on every write nothing may be gone, and nobody may be told so.
  const isLossless = options.kind === "aof-always";
  const told = sum(({ notRecovered }) => notRecovered);
  if (isLossless && gone > 0) findings.add("lost", gone, "Redis", "lost what it had accepted");
  return {
    isClean: findings.isClean,
    rows: [
      ["kind", options.kind],
      ["seed", options.seed],
      ["races", options.races],
      ["events accepted", publishers.accepted],
      ["  at places in rooms", rooms.reduce((total, room) => total + room.promised, 0)],
      ["  of them gone from history", gone],
      ["  given up by their publisher", publishers.givenUp],
      ["deliveries", sum(({ deliveries }) => deliveries)],
      ["connections that came back", sum(({ connections }) => Math.max(0, connections - 1))],
      ["  recovered", sum(({ recovered }) => recovered)],
      ["  told of a loss", told],
      ["  told of a loss that was none", findings.count("wrongly not recovered")],
      ["silently lost", findings.count("lost")],
      ["dropped from history, though Redis still had it", findings.count("dropped")],
      ["falsely recovered", findings.count("falsely recovered")],
      ["numbers given twice", findings.count("given twice")],
      ["doubled", findings.count("doubled")],
      ["out of order", findings.count("out of order") + findings.count("stale")],
      ["holes in history", findings.count("contradiction")],
      ["hung", findings.count("hung")],
      ["broken", findings.count("broken")],
    ],
    findings: findings.first,
    logs,
  };
}

/** The report as a table, then what is wrong, in detail. */
export function formatReport({ rows, findings }: RollbackReport): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => {
    const text = typeof value === "number" && name !== "seed" ? value.toLocaleString("en") : value;
    return `${name.padEnd(width)}  ${text}`;
  });
  const details = findings.flatMap(({ kind, whose, what, story }) => [
    "",
    `${kind}: ${whose}: ${what}`,
    ...story.map((line) => `    ${line}`),
  ]);
  return [...table, ...details].join("\n");
}
