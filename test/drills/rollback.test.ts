import { randomInt } from "node:crypto";
import t from "tap";
import { OptionError } from "../chaos/options.js";
import { parseFailover } from "./failover/options.js";
import { formatTable } from "./failover/report.js";
import { failover } from "./failover/run.js";
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

void t.test("a master of a Redis Cluster is killed: what a replica had is there", async (t) => {
  const args = "--redis cluster --faults kill,migrate --wait-replicas 1 --clients 12 --rate 100";
  const report = await failover(parseFailover(args.split(" ")));
  t.comment(formatTable(report.rows));
  t.same(report.failures, []);
  t.ok(report.isClean, report.isClean ? "clean" : formatTable(report.rows));
  t.same(
    report.rows.map(({ fault, gone, closed }) => [fault, gone, closed]),
    [
      ["kill", 0, 0],
      ["migrate", 0, 0],
    ],
  );
  for (const { pauseMs, accepted, deliveries } of report.rows) {
    t.ok(accepted > 0 && deliveries > accepted && pauseMs > 0, "it was measured");
  }
});

void t.test("a bad option is named in one line", (t) => {
  const bad = [
    [["--kind", "power"], "--kind must be one of rdb, failover, aof-tail, aof-always"],
    [["--races", "0"], "--races must be a whole number from 1 to 1000"],
    [["--race", "1"], "Unknown option '--race'"],
  ] as const;
  for (const [args, message] of bad) {
    t.throws(() => parseRollback(args), new OptionError(message), message);
  }
  const wrong = [
    [["--redis", "cloud"], "--redis must be some of standalone,sentinel,cluster"],
    [["--faults", "kill,thunder"], "--faults must be some of kill,planned,migrate,add,remove"],
    [["--wait-replicas", "3"], "--wait-replicas must be a whole number from 0 to 2"],
  ] as const;
  for (const [args, message] of wrong) {
    t.throws(() => parseFailover(args), new OptionError(message), message);
  }
  t.end();
});
