import type { RowResult } from "../measure/results.js";
import type { Environment } from "./environment.js";
import { figureUnit, limitOf, number, verdictOf } from "./words.js";

const WIDTH = 860;
const MARGIN = 20;
const HEAD_HEIGHT = 64;
const ROW_HEIGHT = 40;
const FOOT_HEIGHT = 52;
const BAR_X = 370;
const BAR_HEIGHT = 16;
/** Where a figure that just meets its limit ends. */
const LIMIT_X = 570;
/** A longer bar is cut here. */
const END_X = 670;
/** A card of its own, so that it looks the same on a light and a dark page. */
const COLOURS = {
  card: "#ffffff",
  border: "#d0d7de",
  text: "#1f2328",
  quiet: "#59636e",
  met: "#1a7f37",
  missed: "#cf222e",
} as const;

/** The results as a picture: a bar for each row, which ends before the line where its limit is met. */
export function formatSvg(results: readonly RowResult[], environment: Environment): string {
  const height = HEAD_HEIGHT + results.length * ROW_HEIGHT + FOOT_HEIGHT;
  const bottom = HEAD_HEIGHT + results.length * ROW_HEIGHT;
  const { commit, versions, machine } = environment;
  const foot = [
    `Medians, measured in one run and in turn; the line is each row's limit. Commit ${commit}, node ${versions["node"] ?? ""},`,
    `socket.io ${versions["socket.io"] ?? ""}, redis-server ${versions["redis-server"] ?? ""}; ${machine}`,
  ];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" role="img">`,
    `<title>Measured against the stock Socket.IO server</title>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="${COLOURS.card}" stroke="${COLOURS.border}"/>`,
    text(MARGIN, 30, "Measured against the stock Socket.IO server", { size: 17, bold: true }),
    text(MARGIN, 50, "shorter is better; what is left of the line meets its limit", {
      colour: COLOURS.quiet,
    }),
    ...results.flatMap((result, i) => drawRow(result, HEAD_HEIGHT + i * ROW_HEIGHT)),
    `<line x1="${LIMIT_X}" y1="${HEAD_HEIGHT}" x2="${LIMIT_X}" y2="${bottom}" stroke="${COLOURS.text}" stroke-dasharray="4 3"/>`,
    ...foot.map((line, i) =>
      text(MARGIN, bottom + 24 + i * 16, line, { size: 11, colour: COLOURS.quiet }),
    ),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawRow(result: RowResult, y: number): string[] {
  const { row, outcome } = result;
  const names = [
    text(MARGIN, y + 16, row.title, { size: 13 }),
    text(MARGIN, y + 31, row.measures, { size: 11, colour: COLOURS.quiet }),
  ];
  const limit = limitOf(row);
  if (outcome.kind === "unmeasured") {
    return [...names, text(BAR_X, y + 22, `not measured (${limit})`, { colour: COLOURS.missed })];
  }
  const verdict = verdictOf(result);
  const colour = verdict === "met" ? COLOURS.met : COLOURS.missed;
  const wanted = (outcome.figure / row.limit) * (LIMIT_X - BAR_X);
  const width = Math.max(2, Math.min(wanted, END_X - BAR_X));
  return [
    ...names,
    `<rect x="${BAR_X}" y="${y + 9}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${colour}"/>`,
    text(END_X + 12, y + 17, `${number(outcome.figure)} ${figureUnit(row)}`, {
      size: 13,
      bold: true,
    }),
    text(END_X + 12, y + 31, verdict === "met" ? limit : `${limit}: ${verdict}`, {
      size: 11,
      colour: verdict === "met" ? COLOURS.quiet : COLOURS.missed,
    }),
  ];
}

interface Style {
  readonly size?: number;
  readonly bold?: boolean;
  readonly colour?: string;
}

function text(x: number, y: number, content: string, style: Style): string {
  const { size = 12, bold = false, colour = COLOURS.text } = style;
  const weight = bold ? ' font-weight="600"' : "";
  return `<text x="${x}" y="${y}" font-size="${size}"${weight} fill="${colour}">${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
