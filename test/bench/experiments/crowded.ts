import type { Attempt, Disturbance } from "../machine/disturbance.js";
import type { Lab } from "../lab.js";
import { timedWindow } from "../measure/latency.js";
import type { Dialect } from "../load/connection.js";
import type { LatencySummary } from "../load/latencies.js";
import type { Recorder } from "../measure/recorder.js";
import { System, type Audience, type Memory } from "../system.js";

/** What is wanted of one fresh server to which a crowd comes. */
export interface Wanted {
  readonly dialect: Dialect;
  /** Whether somebody asks for its metrics. */
  readonly scraped: boolean;
  /** How fast the crowd is told something; undefined where nobody asks for latencies. */
  readonly eventsPerSecond: number | undefined;
  /** Whether the CPU of connecting counts, so that disturbance matters. */
  readonly connect: boolean;
  /** Told of every fault. */
  readonly recorders: readonly Recorder[];
}

/** What it shows. */
export interface Crowded {
  readonly connectNs: Attempt<number>;
  readonly before: Memory;
  readonly after: Memory;
  readonly latency: Attempt<LatencySummary> | undefined;
}

const SESSION = "crowd";
/** Of the crowd, who reads while latencies are measured. */
export const READER_ONE_OF = 20;
/** A fresh server has never seen a client: as many of those who count come before, for its compiler. */
const WARM_UP_PART = 1 / 10;

export async function crowded(lab: Lab, wanted: Wanted): Promise<Attempt<Crowded>> {
  const { crowdClients, connectClients } = lab.options.sizes;
  const system = await System.open(lab, {
    dialect: wanted.dialect,
    scraped: wanted.scraped,
    probe: true,
  });
  try {
    const before = await system.memory();
    const warmUp = Math.floor(
      Math.min(crowdClients - connectClients, connectClients * WARM_UP_PART),
    );
    await system.connect([audienceOf(warmUp)]);
    const connectNs = await lab.observe(async (usage) => {
      await system.connect([audienceOf(connectClients)]);
      return usage().cpuNs(system.serverPids);
    });
    await system.connect([audienceOf(crowdClients - connectClients - warmUp)]);
    const after = await system.memory();
    const latency = await latencyOf(lab, system, wanted);
    const seen = await system.aftermath();
    for (const recorder of wanted.recorders) recorder.saw(seen);
    const value = { connectNs, before, after, latency };
    return { value, disturbance: disturbanceOf(value, wanted) };
  } finally {
    await system.stop();
  }
}

function disturbanceOf(
  { connectNs, latency }: Crowded,
  { connect }: Wanted,
): Disturbance | undefined {
  return (connect ? connectNs.disturbance : undefined) ?? latency?.disturbance;
}

function audienceOf(clients: number): Audience {
  return { session: SESSION, role: "student", clients, events: ["question_capture"] };
}

async function latencyOf(
  lab: Lab,
  system: System,
  { eventsPerSecond, recorders }: Wanted,
): Promise<Attempt<LatencySummary> | undefined> {
  if (eventsPerSecond === undefined) return undefined;
  const stream = {
    sessions: [SESSION],
    events: ["question_capture"] as const,
    bursts: lab.options.sizes.bigRoomEvents,
    burstsPerSecond: eventsPerSecond,
    burst: 1,
  };
  return lab.observe(async (usage) => {
    const timed = await timedWindow(lab, system, stream, usage, READER_ONE_OF);
    for (const recorder of recorders) recorder.sawWindow(timed.window);
    return timed.latency;
  });
}
