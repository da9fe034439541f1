/** `npm run chaos -- --seconds 60 --seed 1`: breaks a cluster at random and looks for lost events. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REDIS_PROGRAM } from "../helpers/tools/redis-programs.js";
import { runBounded } from "./bounded.js";
import { OptionError, parseCommand, type ChaosOptions, type Command } from "./options.js";
import { formatReport } from "./report.js";
import { runChaos } from "./run.js";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readCommand(): Command {
  try {
    return parseCommand(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

async function chaos(options: ChaosOptions): Promise<boolean> {
  const {
    redis = "standalone",
    program = "redis-server",
    seconds,
    seed,
    forget,
    clients,
    rate,
    sessions,
  } = options;
  if (options.program) process.env[REDIS_PROGRAM] = options.program;
  print(
    `Chaos for ${seconds} s (${redis}, ${program}): ${clients} clients, ${sessions} sessions, ${rate} events/s, ` +
      `${forget ? "and Redis forgets" : "and Redis remembers"}. To repeat it: --seed ${seed}`,
  );
  const report = await runChaos({ ...options, onProgress: print });
  print(`\n${formatReport(report)}`);
  if (!report.isClean) {
    const file = join(mkdtempSync(join(tmpdir(), "inthon-chaos-log-")), "replicas.log");
    writeFileSync(file, report.logs.join("\n"));
    print(`\nWhat the replicas logged is in ${file}`);
  }
  return report.isClean;
}

const command = readCommand();
const isGood =
  command.kind === "bounded" ? await runBounded(command, print) : await chaos(command.options);
process.exit(isGood ? 0 : 1);
