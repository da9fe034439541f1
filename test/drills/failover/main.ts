import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REDIS_PROGRAM } from "../../helpers/tools/redis-programs.js";
import { parseFailover } from "./options.js";
import { formatTable, LEGEND } from "./report.js";
import { failover } from "./run.js";

/**
 * `npm run drill -- failover`: what each kind of Redis does to publishers and clients when a primary dies or hands over, when
 * slots move, and when nodes come and go, as a table.
 *
 * @returns whether no promise was broken
 * @throws OptionError
 */
export async function runFailover(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = parseFailover(args);
  const { program = "redis-server", seed, clients, rate, waitReplicas, json } = options;
  if (options.program) process.env[REDIS_PROGRAM] = options.program;
  const say = json ? () => undefined : print;
  say(
    `Failovers (${program}): 3 replicas, ${clients} students, ${rate} events/s, ${waitReplicas} replicas of Redis waited for. ` +
      `To repeat it: --seed ${seed}`,
  );
  const report = await failover(options, say);
  const { isClean, rows, failures } = report;
  if (json) print(JSON.stringify({ options, isClean, rows, failures }));
  say(`\n${formatTable(rows)}\n\n${LEGEND.join("\n")}`);
  for (const failure of failures) say(`\nNOT MADE: ${failure}`);
  if (!isClean) {
    const file = join(mkdtempSync(join(tmpdir(), "inthon-drill-log-")), "replicas.log");
    writeFileSync(file, report.logs.join("\n"));
    say(`\nWhat the replicas logged is in ${file}`);
  }
  return isClean;
}
