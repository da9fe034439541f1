import { randomInt } from "node:crypto";
import t from "tap";
import { OptionError, parseCommand } from "./options.js";
import { makePlan } from "./plan.js";
import { formatReport } from "./report.js";
import { runChaos } from "./run.js";

const SIZE = { seconds: 12, clients: 60, rate: 100, sessions: 4 };
const FIXED_SEED = 20251122;

// Each run has a time limit of its own for its slowest client.
t.setTimeout(480_000);

const modes = [
  { name: "whatever dies, nothing is lost, doubled or out of order", forget: false },
  { name: "also where Redis forgets, everybody is told and goes on", forget: true },
] as const;

for (const { name, forget } of modes) {
  for (const seed of [FIXED_SEED, randomInt(2 ** 32 - 1)]) {
    void t.test(`${name}, with seed ${seed}`, async (t) => {
      const report = await runChaos({ ...SIZE, seed, forget });
      t.comment(formatReport(report));
      const { isClean } = report;
      t.ok(isClean, isClean ? "clean" : formatReport(report));
    });
  }
}

void t.test("the same seed breaks the same things at the same time", (t) => {
  const options = { ...SIZE, seconds: 60, forget: true };
  t.same(makePlan({ ...options, seed: 1 }), makePlan({ ...options, seed: 1 }));
  t.notSame(makePlan({ ...options, seed: 1 }), makePlan({ ...options, seed: 2 }));
  t.end();
});

void t.test("a bad option is named in one line", (t) => {
  const bad = [
    [["--seconds", "soon"], "--seconds must be a whole number from 1 to 3600"],
    [["--clients", "0"], "--clients must be a whole number from 1 to 2000"],
    [["--events", "1000"], "--events goes with --bounded only"],
    [["--sedonds", "1"], "Unknown option '--sedonds'"],
    [["60"], "Unexpected argument '60'"],
  ] as const;
  for (const [args, message] of bad) {
    t.throws(() => parseCommand(args), new OptionError(message), message);
  }
  t.end();
});
