import { randomInt } from "node:crypto";
import t from "tap";
import { OptionError } from "../chaos/options.js";
import { parseRollback, ROLLBACK_KINDS, type RollbackKind } from "./rollback/options.js";
import { formatReport } from "./rollback/report.js";
import { rollback } from "./rollback/run.js";

// Each race has a time limit of its own for its slowest client.
t.setTimeout(240_000);

const SIZE = { races: 2, clients: 24, rate: 150 };

const PROMISES: Record<RollbackKind, string> = {
  rdb: "Redis comes back with an old snapshot: whoever lost something is told, and no number is given twice",
  failover:
    "a stale replica is promoted: whoever lost something is told, and no number is given twice",
  "aof-tail":
    "the end of the append-only file is gone: whoever lost something is told, and no number is given twice",
  "aof-always": "with an append-only file on every write nothing is lost, and everybody resumes",
};

for (const kind of ROLLBACK_KINDS) {
  void t.test(PROMISES[kind], async (t) => {
    const report = await rollback({ ...SIZE, kind, seed: randomInt(2 ** 32 - 1) });
    t.comment(formatReport(report));
    t.ok(report.isClean, report.isClean ? "clean" : formatReport(report));
  });
}

void t.test("a bad option is named in one line", (t) => {
  const bad = [
    [["--kind", "power"], "--kind must be one of rdb, failover, aof-tail, aof-always"],
    [["--races", "0"], "--races must be a whole number from 1 to 1000"],
    [["--race", "1"], "Unknown option '--race'"],
  ] as const;
  for (const [args, message] of bad) {
    t.throws(() => parseRollback(args), new OptionError(message), message);
  }
  t.end();
});
