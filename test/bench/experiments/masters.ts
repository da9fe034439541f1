import { SLOTS, slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { startRedisCluster, type RedisCluster } from "../../helpers/processes/redis-cluster.js";
import { Ends } from "../../helpers/topologies/ends.js";
import type { Lab, Stoppable } from "../lab.js";
import type { CountedEvent } from "../load/event-number.js";
import type { Recorder } from "../measure/recorder.js";
import type { Experiment } from "./experiment.js";

// The workload: change it here.

/** Sessions that events go to, in turn: as many in each third of the slots. */
const SESSIONS = 102;
/** Events that are emitted in one turn of the event loop. */
const CALLS_PER_TURN = 51;
const EVENTS: readonly CountedEvent[] = ["question_capture"];
/** Clusters by what the row calls them. */
const VARIANTS = { "one master": 1, "three masters": 3 } as const;
const MOST_MASTERS = 3;
/** A machine that is busy is none that is down. */
const NODE_TIMEOUT_MS = 60_000;

const NS_PER_US = 1_000;
const MS_PER_S = 1_000;

/** A session whose students' room each third of the slots has one of, again and again: no master has more to do than another. */
function sessionsAllOver(): readonly string[] {
  const sessions: string[] = [];
  for (let i = 0; sessions.length < SESSIONS; i++) {
    const session = `masters-${i}`;
    const slot = slotOf(roomChannel(`session_${session}_student`));
    if (Math.floor((slot * MOST_MASTERS) / SLOTS) === sessions.length % MOST_MASTERS)
      sessions.push(session);
  }
  return sessions;
}

const sessions = sessionsAllOver();

/** A Redis Cluster and an emitter for it, nobody else. */
class Masters implements Stoppable {
  readonly target: string;
  readonly #lab: Lab;
  readonly #cluster: RedisCluster;
  readonly #ends: Ends;

  private constructor(lab: Lab, target: string, cluster: RedisCluster, ends: Ends) {
    this.#lab = lab;
    this.target = target;
    this.#cluster = cluster;
    this.#ends = ends;
  }

  static open(lab: Lab, target: string, count: number): Promise<Masters> {
    return lab.keep(async () => {
      const ends = new Ends();
      const place = lab.options.pinning.load;
      const cluster = await startRedisCluster(ends, {
        masters: count,
        replicas: 0,
        launcher: place.launcher,
        args: () => ["--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
      });
      const masters = new Masters(lab, target, cluster, ends);
      lab.adopt(masters.pids, place);
      await lab.publisher.call("open", { name: target, kind: "ours", redisUrl: cluster.url() });
      return masters;
    });
  }

  get pids(): readonly number[] {
    return this.#cluster.nodes.map(({ redis }) => redis.pid);
  }

  async stop(): Promise<void> {
    this.#lab.release(this);
    this.#lab.disown(this.pids);
    await this.#lab.publisher.call("close", { target: this.target }).catch(() => undefined);
    await this.#ends.end();
  }
}

/** What an event costs the masters of a cluster together. They share a core here, so how many events they take is no figure. */
export const masters: Experiment = {
  rows: ["masters"],
  run: async ({ lab, recorders }) => {
    const recorder = recorders.get("masters");
    if (recorder === undefined) return;
    recorder.note(`${SESSIONS} sessions, ${CALLS_PER_TURN} calls in a turn, nobody subscribed`);
    const systems = new Map<string, Masters>();
    try {
      for (const [name, count] of Object.entries(VARIANTS)) {
        systems.set(name, await Masters.open(lab, `${count}-masters`, count));
      }
      for (let round = 0; round <= lab.options.rounds; round++) {
        for (const [name, system] of systems) await measure(lab, recorder, name, system, round);
      }
    } finally {
      await Promise.all([...systems.values()].map((system) => system.stop()));
    }
  },
};

async function measure(
  lab: Lab,
  recorder: Recorder,
  name: string,
  { target, pids }: Masters,
  round: number,
): Promise<void> {
  await lab.measure(async (usage) => {
    const { failures, events, elapsedMs } = await lab.publisher.call("flood", {
      target,
      sessions,
      events: EVENTS,
      callsPerTurn: CALLS_PER_TURN,
      forMs: lab.options.sizes.windowMs,
    });
    for (const failure of failures) recorder.fault(`not published: ${failure}`);
    const used = usage();
    if (round === 0) return;
    recorder.add(name, used.cpuNs(pids) / events / NS_PER_US);
    const publisherNs = used.cpuNs([lab.publisher.pid]);
    recorder.detail(
      `${name} events/s, with the publisher on one core`,
      (events / elapsedMs) * MS_PER_S,
    );
    recorder.detail(`${name} emitter CPU per event, µs`, publisherNs / events / NS_PER_US);
  });
}
