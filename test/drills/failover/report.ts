import type { FailoverFault } from "./options.js";
import type { Row } from "./row.js";

const WORDS: Record<
  FailoverFault,
  Partial<Record<Row["redis"], string>> & { readonly all: string }
> = {
  kill: { all: "kill -9 of a primary", standalone: "kill -9, started again" },
  planned: {
    all: "planned failover",
    standalone: "restarted",
    sentinel: "writes paused, SENTINEL FAILOVER",
    cluster: "CLUSTER FAILOVER",
  },
  migrate: { all: "2,000 slots move" },
  add: { all: "a master comes, takes 2,000 slots", sentinel: "a replica of Redis comes" },
  remove: { all: "a master hands 2,000 slots over, goes", sentinel: "a replica of Redis goes" },
};

const COLUMNS: readonly (readonly [name: string, value: (row: Row) => string])[] = [
  ["Redis", ({ redis }) => redis],
  ["what happens", ({ redis, fault }) => WORDS[fault][redis] ?? WORDS[fault].all],
  ["times", ({ times }) => number(times)],
  ["publish pause", ({ pauseMs }) => `${(pauseMs / 1_000).toFixed(1)} s`],
  ["accepted", ({ accepted }) => number(accepted)],
  ["gone", ({ gone }) => number(gone)],
  ["lost, not told", ({ lost }) => number(lost)],
  ["doubled", ({ doubled }) => number(doubled)],
  ["out of order", ({ outOfOrder }) => number(outOfOrder)],
  ["told of a loss", ({ told }) => number(told)],
  ["flickers", ({ flickers }) => number(flickers)],
  ["closed", ({ closed }) => number(closed)],
];

/** What the columns mean that do not say it. */
export const LEGEND = [
  "publish pause: the longest time without an accepted call in any one session. accepted: events confirmed to publishers. gone: of their",
  "places in rooms, those that no history has any more. lost, not told: events that a client lacks, who was told of no loss. told of a loss:",
  "clients that were not recovered. flickers: students who heard that no teacher is there, though theirs was connected. closed: connections that ended.",
];

/** The table, as Markdown, then what is wrong, in detail. */
export function formatTable(rows: readonly Row[]): string {
  const cells = [
    COLUMNS.map(([name]) => name),
    ...rows.map((row) => COLUMNS.map(([, value]) => value(row))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  const isWord = (i: number) => i < 2;
  const format = (line: readonly string[]) =>
    `| ${line.map((cell, i) => (isWord(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (isWord(i) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  const [head = [], ...body] = cells;
  return [format(head), rule, ...body.map(format), ...rows.flatMap(detailsOf)].join("\n");
}

function detailsOf({ redis, fault, broken, findings }: Row): readonly string[] {
  if (broken.length === 0) return [];
  return [
    "",
    `BROKEN: ${redis}, ${fault}: ${broken.join(", ")}`,
    ...findings.flatMap(({ kind, whose, what, story }) => [
      `  ${kind}: ${whose}: ${what}`,
      ...story.map((line) => `      ${line}`),
    ]),
  ];
}

function number(value: number): string {
  return value.toLocaleString("en");
}
