import { randomInt } from "node:crypto";
import t from "tap";
import { FAULT_KINDS, kindsOn } from "./faults/fault.js";
import { TOPOLOGY_KINDS } from "../helpers/topologies/topology.js";
import { OptionError, parseCommand, type ChaosOptions } from "./options.js";
import { makePlan } from "./plan.js";
import { formatReport } from "./report.js";
import { runChaos } from "./run.js";

const SIZE = { seconds: 10, clients: 50, rate: 100, sessions: 4 };
/** Most of such a run is waiting for elections. */
const SMALL = {
  seconds: 8,
  clients: 30,
  only: ["primary", "failover", "slots", "node hung", "cut"],
};
/** Who has gone without a word is noticed soon, so that the judge need not wait for long for what he held. */
const ENV = { PING_INTERVAL_MS: "1500", PING_TIMEOUT_MS: "1500", LEASE_MS: "3000" };

// Each run has a time limit of its own for its slowest client.
t.setTimeout(480_000);

const modes: readonly { readonly name: string; readonly options: Partial<ChaosOptions> }[] = [
  {
    name: "whatever dies, hangs or comes back older, nobody lacks an event without being told",
    options: {},
  },
  { name: "also where Redis forgets, everybody is told and goes on", options: { forget: true } },
  {
    name: "masters of a Redis Cluster die, hand over, hang, and slots move: nobody lacks an event without being told",
    options: { redis: "cluster", ...SMALL },
  },
  {
    name: "Sentinels promote replicas: nobody lacks an event without being told",
    options: { redis: "sentinel", ...SMALL },
  },
];

for (const { name, options } of modes) {
  const seed = randomInt(2 ** 32 - 1);
  void t.test(`${name}, with seed ${seed}`, async (t) => {
    const report = await runChaos({ ...SIZE, env: ENV, seed, forget: false, ...options });
    t.comment(formatReport(report));
    const { isClean } = report;
    t.ok(isClean, isClean ? "clean" : formatReport(report));
  });
}

void t.test("a long enough plan has every fault", (t) => {
  for (const redis of TOPOLOGY_KINDS) {
    const { faults } = makePlan({ ...SIZE, redis, seconds: 60, seed: 1, forget: true });
    t.same(new Set(faults.map(({ fault }) => fault.kind)), new Set(kindsOn(redis)), redis);
  }
  t.end();
});

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
    [["--only", "thunder"], `--only must name parts of: ${FAULT_KINDS.join(", ")}`],
    [["--redis", "cloud"], "--redis must be one of standalone, sentinel, cluster"],
    [["--redis", "cluster", "--forget"], "--forget goes with --redis standalone only"],
    [
      ["--redis", "sentinel", "--only", "slots"],
      "--only must name faults of sentinel: slots is none",
    ],
    [["--sedonds", "1"], "Unknown option '--sedonds'"],
    [["60"], "Unexpected argument '60'"],
  ] as const;
  for (const [args, message] of bad) {
    t.throws(() => parseCommand(args), new OptionError(message), message);
  }
  t.end();
});
