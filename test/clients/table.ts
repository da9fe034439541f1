import { STEPS, type Result } from "./lesson.js";

/** A line for each client, what went wrong, and the sum. */
export function tableOf(results: readonly Result[]): string {
  const rows = [
    ["client", "is", ...STEPS],
    ...results.map(({ name, version, shown, missing }) => [
      name,
      version,
      ...STEPS.map((step) => shown[step] ?? (missing === undefined ? "" : "not run")),
    ]),
  ];
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const said = results.flatMap(({ name, missing, fault }) => {
    if (fault !== undefined) return [`FAILED  ${name}: ${fault}`];
    return missing === undefined ? [] : [`not run ${name}: ${missing}`];
  });
  const failed = results.filter(({ fault }) => fault !== undefined).length;
  const missing = results.filter((result) => result.missing !== undefined).length;
  const good = results.length - failed - missing;
  const sum = `${String(good)} hold, ${String(failed)} failed, ${String(missing)} could not be had`;
  return [...lines, ...(said.length > 0 ? ["", ...said] : []), "", sum].join("\n");
}
