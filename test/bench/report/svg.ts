import type { RowResult } from "../measure/results.js";
import type { Row } from "../rows.js";
import type { Environment } from "./environment.js";
import { faultsOf, number } from "./words.js";

const WIDTH = 860;
const MARGIN = 20;
const HEAD_HEIGHT = 84;
const FOOT_HEIGHT = 52;
const BAR_X = 340;
const BAR_HEIGHT = 14;
const BAR_STEP = 18;
const ROW_PADDING = 14;
/** How long a bar is that is as much as what ours is compared with: in each row, so that all rows have one scale. */
const SAME = 140;
/** A longer bar is cut here. */
const LONGEST = 370;
/** A card of its own, so that it looks the same on a light and a dark page. */
const COLOURS = {
  card: "#ffffff",
  border: "#d0d7de",
  text: "#1f2328",
  quiet: "#59636e",
  ours: "#3d43b0",
  other: "#9aa4b2",
  faulty: "#cf222e",
} as const;

/** What is measured, and nothing else that the picture is made of. */
export type Drawn = Pick<RowResult, "row" | "outcome" | "variants" | "faults">;

/** The results as a picture: in each row a bar for ours and one for each that it is compared with, with their figures. */
export function formatSvg(
  results: readonly Drawn[],
  environment: Pick<Environment, "commit" | "versions" | "machine">,
): string {
  const { commit, versions, machine } = environment;
  const rows: string[] = [];
  let bottom = HEAD_HEIGHT;
  for (const result of results) {
    rows.push(...drawRow(result, bottom));
    bottom += heightOf(result);
  }
  const height = bottom + FOOT_HEIGHT;
  const how = [
    "Of two bars in a row, the shorter one costs less, or takes less time. The grey ones all have the same length:",
    "a bar of half of it is half as much. Where ours is not compared with stock, the title says with what.",
  ];
  const foot = [
    `Medians, measured in one run and in turn. Commit ${commit}, node ${versions["node"] ?? ""},`,
    `socket.io ${versions["socket.io"] ?? ""}, redis-server ${versions["redis-server"] ?? ""}; ${machine}`,
  ];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" role="img">`,
    `<title>Measured beside the stock Socket.IO server</title>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="${COLOURS.card}" stroke="${COLOURS.border}"/>`,
    text(MARGIN, 30, "Measured beside the stock Socket.IO server", { size: 17, bold: true }),
    ...how.map((line, i) => text(MARGIN, 50 + i * 16, line, { colour: COLOURS.quiet })),
    ...rows,
    ...foot.map((line, i) =>
      text(MARGIN, bottom + 24 + i * 16, line, { size: 11, colour: COLOURS.quiet }),
    ),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function heightOf({ variants, outcome }: Drawn): number {
  const bars = outcome.kind === "measured" ? variants.length : 0;
  return Math.max(2, bars) * BAR_STEP + ROW_PADDING;
}

function drawRow(result: Drawn, y: number): string[] {
  const { row, outcome, variants } = result;
  const names = [
    text(MARGIN, y + 16, row.title, { size: 13 }),
    text(MARGIN, y + 31, row.measures, { size: 11, colour: COLOURS.quiet }),
  ];
  if (outcome.kind === "unmeasured")
    return [...names, text(BAR_X, y + 22, "not measured", { colour: COLOURS.quiet })];
  const same = sameOf(row, variants);
  const isFaulty = faultsOf(result).length > 0;
  const bars = variants.flatMap(({ name, median }, i) => {
    const top = y + 6 + i * BAR_STEP;
    const width = Math.min(LONGEST, Math.max(2, (median / same) * SAME));
    const isOurs = row.figure.kind === "extremes" || name === row.figure.of;
    const colour = isFaulty ? COLOURS.faulty : isOurs ? COLOURS.ours : COLOURS.other;
    const said = `${name}: ${number(median)} ${row.unit}${isFaulty ? ", faulty" : ""}`;
    return [
      `<rect x="${BAR_X}" y="${top}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${colour}"/>`,
      text(BAR_X + width + 8, top + 11, said, { size: 12, bold: isOurs }),
    ];
  });
  return [...names, ...bars];
}

/** The value that is one: of what ours is compared with; of stock, or else the first, where it is compared with nothing. */
function sameOf({ figure }: Row, variants: Drawn["variants"]): number {
  const name = figure.kind === "ratio" ? figure.to : "stock";
  const value = variants.find((each) => each.name === name) ?? variants[0];
  return value?.median ?? NaN;
}

interface Style {
  readonly size?: number;
  readonly bold?: boolean;
  readonly colour?: string;
}

function text(x: number, y: number, content: string, style: Style): string {
  const { size = 12, bold = false, colour = COLOURS.text } = style;
  const weight = bold ? ' font-weight="600"' : "";
  return `<text x="${Number(x.toFixed(1))}" y="${y}" font-size="${size}"${weight} fill="${colour}">${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
