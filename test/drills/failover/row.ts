import { setTimeout as delay } from "node:timers/promises";
import { Findings, type Finding } from "../../chaos/judge/findings.js";
import { readEachHistory } from "../../chaos/judge/history.js";
import { Truth } from "../../chaos/judge/truth.js";
import { randomFrom, type Random } from "../../chaos/random.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { Ends } from "../../helpers/topologies/ends.js";
import type { Topology } from "../../helpers/topologies/topology.js";
import type { FailoverFault, FailoverOptions } from "./options.js";
import { School } from "./school.js";

const SESSIONS = 6;
/** How long a primary that was killed is away after another has taken its place, in milliseconds. */
const AWAY_MS = { min: 0, max: 1_000 };
/** How long all is well between two of them. */
const BETWEEN_MS = { min: 100, max: 600 };
/** What comes a second time comes soon. */
const AFTERMATH_MS = 500;

/** What came of one fault on one Redis. */
export interface Row {
  readonly redis: Topology["kind"];
  readonly fault: FailoverFault;
  readonly times: number;
  /** The longest time without an accepted call in any session, in milliseconds. */
  readonly pauseMs: number;
  readonly accepted: number;
  readonly deliveries: number;
  /** Accepted, and not there any more. */
  readonly gone: number;
  /** Not delivered to somebody who was told of no loss. */
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Clients told that they were not recovered. */
  readonly told: number;
  readonly flickers: number;
  readonly closed: number;
  /** Promises that were broken, in words; none where all is well. */
  readonly broken: readonly string[];
  readonly findings: readonly Finding[];
}

export interface RowOptions extends FailoverOptions {
  readonly topology: Topology;
  readonly servers: readonly ServerProcess[];
  /** Replicas that ended by themselves, so far. */
  readonly ended: () => readonly string[];
  readonly onTime: (line: string) => void;
  /** When no second fault is made any more, by `performance.now()`. */
  readonly stopAt: number;
}

/** @returns `undefined` where this Redis knows no such change */
export async function runRow(fault: FailoverFault, options: RowOptions): Promise<Row | undefined> {
  const { topology } = options;
  const { changes } = topology;
  if (fault !== "kill" && !changes[fault]) return undefined;
  const owner = new Ends();
  // Somebody has to be there who can go.
  if (fault === "remove" && !options.faults.includes("add")) await changes.add?.();
  try {
    return await judged(owner, fault, options);
  } finally {
    await owner.end();
  }
}

async function judged(owner: Ends, fault: FailoverFault, options: RowOptions): Promise<Row> {
  const { topology, servers, times, seed, stopAt } = options;
  const random = randomFrom(seed + options.faults.indexOf(fault));
  const truth = new Truth(new Findings());
  const sessions = await topology.sessions(`${topology.kind}-${fault}`, SESSIONS);
  const school = await School.open(owner, {
    ...options,
    redisUrl: topology.url,
    sessions,
    truth,
    random,
    servers,
  });
  let made = 0;
  while (made < times && (made === 0 || performance.now() < stopAt)) {
    await delay(random.between(BETWEEN_MS.min, BETWEEN_MS.max));
    if (made > 0) await undo(fault, topology);
    const at = Date.now();
    school.startTheClock();
    if (fault === "kill") await kill(topology, random);
    else await topology.changes[fault]?.();
    const doneMs = Date.now() - at;
    await school.hear();
    if (fault === "kill") {
      await readEachHistory((key) => topology.ownerOf(key), truth, { kind: "rollback", at });
      truth.losses.push({ at, back: Date.now() });
    }
    made++;
    options.onTime(
      `${topology.kind}, ${fault} ${String(made)} of ${String(times)}: done after ${String(doneMs)} ms, ` +
        `${String(school.publishers.accepted)} events accepted so far`,
    );
  }
  await school.close();
  await delay(AFTERMATH_MS);
  await readEachHistory((key) => topology.ownerOf(key), truth, { kind: "look" });
  for (const track of school.tracks) track.finish(track.room.order());
  return rowOf(fault, { ...options, times: made }, school, truth);
}

/** What was added goes, and what went comes, before it is done again. */
async function undo(fault: FailoverFault, { changes }: Topology): Promise<void> {
  if (fault === "add") await changes.remove?.();
  if (fault === "remove") await changes.add?.();
}

async function kill(topology: Topology, random: Random): Promise<void> {
  await topology.kill((items) => random.pick(items));
  await delay(random.between(AWAY_MS.min, AWAY_MS.max));
  await topology.revive();
}

function rowOf(
  fault: FailoverFault,
  { topology, times, waitReplicas, ended }: RowOptions,
  school: School,
  { findings }: Truth,
): Row {
  const { gone, told, flickers, closed } = school;
  const counts = {
    lost: findings.count("lost"),
    doubled: findings.count("doubled"),
    outOfOrder: findings.count("out of order") + findings.count("stale"),
  };
  const mayLose = fault === "kill" && waitReplicas === 0;
  const broken = [
    ...(findings.isClean ? [] : [...new Set(findings.first.map(({ kind }) => kind))]),
    ...(gone > 0 && !mayLose ? ["what was confirmed is gone"] : []),
    ...(flickers > 0 ? ["a teacher who stayed was said to be away"] : []),
    // Whoever had heard what is gone has to be sent away, to be told.
    ...(topology.kind === "cluster" && closed > told ? ["connections were closed"] : []),
    ...ended().map((who) => `${who} ended by itself`),
  ];
  return {
    redis: topology.kind,
    fault,
    times,
    pauseMs: Math.round(school.longestPauseMs),
    accepted: school.publishers.accepted,
    deliveries: school.deliveries,
    gone,
    ...counts,
    told,
    flickers,
    closed,
    broken,
    findings: findings.first,
  };
}
