import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRollback } from "./options.js";
import { formatReport } from "./report.js";
import { rollback } from "./run.js";

/**
 * `npm run drill -- rollback --races 50 --kind rdb`: kills Redis under load, again and again, and has it come back older.
 *
 * @returns whether nobody lost anything without being told
 * @throws OptionError
 */
export async function runRollback(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = parseRollback(args);
  const { kind, races, seed, clients, rate } = options;
  print(
    `${races} races to a Redis that comes back (${kind}): ${clients} clients, ${rate} events/s. ` +
      `To repeat it: --seed ${seed}`,
  );
  const report = await rollback(options, print);
  print(`\n${formatReport(report)}`);
  if (!report.isClean) {
    const file = join(mkdtempSync(join(tmpdir(), "inthon-drill-log-")), "replicas.log");
    writeFileSync(file, report.logs.join("\n"));
    print(`\nWhat the replicas logged is in ${file}`);
  }
  return report.isClean;
}
