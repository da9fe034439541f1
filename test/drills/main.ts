/** `npm run drill -- rollback --races 50`: one kind of fault, again and again, judged and measured. */
import { OptionError } from "../chaos/options.js";
import { runAvalanche } from "./away/avalanche.js";
import { runJitter } from "./away/jitter.js";
import { runRolling } from "./away/rolling.js";
import { runBoot } from "./boot.js";
import { runFailover } from "./failover/main.js";
import { runLecture } from "../page/lecture/main.js";
import { runHostile } from "./hostile/main.js";
import { runHungLinks } from "./hung-links.js";
import { runMasters } from "./masters.js";
import { runComeBack } from "./readers/come-back.js";
import { runSlowReaders } from "./readers/slow-readers.js";
import { runRollback } from "./rollback/main.js";
import { runSigterm } from "./sigterm.js";
import { runWatched } from "./watched/main.js";

/** Each drill reads its own options, prints what it finds, and tells whether all was well. */
type Drill = (args: readonly string[], print: (line: string) => void) => Promise<boolean>;

const DRILLS: Readonly<Record<string, Drill>> = {
  avalanche: runAvalanche,
  boot: runBoot,
  "come-back": runComeBack,
  failover: runFailover,
  hostile: runHostile,
  "hung-links": runHungLinks,
  jitter: runJitter,
  lecture: runLecture,
  masters: runMasters,
  rollback: runRollback,
  rolling: runRolling,
  sigterm: runSigterm,
  "slow-readers": runSlowReaders,
  watched: runWatched,
};

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const [name = "", ...args] = process.argv.slice(2);
const drill = Object.hasOwn(DRILLS, name) ? DRILLS[name] : undefined;
if (!drill) {
  process.stderr.write(`The drills are: ${Object.keys(DRILLS).join(", ")}\n`);
  process.exit(1);
}
try {
  process.exit((await drill(args, print)) ? 0 : 1);
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
