/** `npx tsx test/bench/report/redraw.ts FILE.json`: the picture of results that were kept, beside them. */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Drawn, formatSvg } from "./svg.js";
import type { Environment } from "./environment.js";

/** @param json - what `formatJson` has written */
export function redraw(json: string): string {
  const { rows, ...environment } = JSON.parse(json) as Environment & {
    readonly rows: readonly (Drawn["row"] & Omit<Drawn, "row">)[];
  };
  const results = rows.map((row) => ({ row, ...row }));
  return formatSvg(results, environment);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const file = process.argv[2] ?? "test/bench/bench.json";
  writeFileSync(file.replace(/\.json$/, ".svg"), redraw(readFileSync(file, "utf8")));
}
