import type { ServerProcess } from "../../helpers/processes/server-process.js";

/** The codes of all refusals that a replica has logged. */
export function refusalCodes(server: ServerProcess): ReadonlySet<string> {
  const entries = server
    .output()
    .split("\n")
    .filter((line) => line.includes('"msg":"refused"'))
    .map((line) => JSON.parse(line) as { code: string });
  return new Set(entries.map(({ code }) => code));
}
