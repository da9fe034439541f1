import { roomChannel } from "@inthon/emitter/protocol";
import type { Lab } from "../lab.js";
import type { Subscription } from "../load/api.js";
import type { CountedEvent } from "../load/event-number.js";
import type { Recorder } from "../measure/recorder.js";
import { BURST_EVENTS } from "../sizes.js";
import type { System } from "../system.js";
import type { Experiment } from "./experiment.js";
import { inTurn, stockAndOurs } from "./turns.js";

// The workloads: change them here.

interface Workload {
  /** Sessions that events go to, in turn. */
  readonly sessions: number;
  /** Events that are emitted in one turn of the event loop, and so pipelined. */
  readonly callsPerTurn: number;
}

/** A room's burst, as in the row on bursts: what makes the figure. */
const PIPELINED: Workload = { sessions: 1, callsPerTurn: BURST_EVENTS };
/** One event for each room in a turn, where nothing can be shared: shown beside it. */
const SCATTERED: Workload = { sessions: 100, callsPerTurn: 50 };
/** Replicas that hold every one of the sessions, and so are sent every event. */
const REPLICAS = 3;
/** What is published to a session, in turn. */
const EVENTS: readonly CountedEvent[] = ["question_capture"];

const NS_PER_US = 1_000;
const MS_PER_S = 1_000;
/** The channel pattern of the stock adapter (`@socket.io/redis-adapter`, `lib/index.ts`). */
const STOCK_PATTERN = "socket.io#/#*";

const sessions = Array.from({ length: SCATTERED.sessions }, (_, i) => `publish-${i + 1}`);

/** What an event costs Redis: one script with history by our emitter, one PUBLISH by the stock one. */
export const publish: Experiment = {
  rows: ["publish"],
  run: async ({ lab, recorders }) => {
    const recorder = recorders.get("publish");
    if (recorder === undefined) return;
    recorder.note(
      `one session, ${PIPELINED.callsPerTurn} calls in a turn, ${REPLICAS} replicas subscribed`,
    );
    // Subscribers that only count stand in for the replicas, which would be too slow to keep up.
    await inTurn(lab, stockAndOurs({ replicas: 0 }), {
      prepare: async (system, name) => {
        await system.load.call("subscribe", { subscriptions: subscriptionsOf(name, system) });
      },
      measure: async (system, name, round) => {
        const pipelined = await flood(lab, system, recorder, PIPELINED);
        const scattered = await flood(lab, system, recorder, SCATTERED);
        if (round === 0) return;
        recorder.add(name, pipelined.redisUs);
        recorder.detail(`${name} emitter events/s`, pipelined.eventsPerSecond);
        recorder.detail(`${name} µs with one event for each room in a turn`, scattered.redisUs);
      },
    });
  },
};

function subscriptionsOf(name: string, { redis: { port } }: System): readonly Subscription[] {
  const subscription: Subscription =
    name === "stock"
      ? { port, command: "PSUBSCRIBE", channels: [STOCK_PATTERN] }
      : { port, command: "SUBSCRIBE", channels: sessions.map(studentChannel) };
  return Array.from({ length: REPLICAS }, () => subscription);
}

function studentChannel(session: string): string {
  return roomChannel(`session_${session}_student`);
}

async function flood(lab: Lab, system: System, recorder: Recorder, workload: Workload) {
  return lab.measure(async (usage) => {
    const streamed = await lab.publisher.call("flood", {
      target: system.target,
      sessions: sessions.slice(0, workload.sessions),
      events: EVENTS,
      callsPerTurn: workload.callsPerTurn,
      forMs: lab.options.sizes.windowMs,
    });
    const expected = streamed.events * REPLICAS;
    const messages = await system.load.call("messages", { expected });
    for (const failure of streamed.failures) recorder.fault(`not published: ${failure}`);
    if (messages !== expected) recorder.fault(`${messages} of ${expected} messages came`);
    return {
      redisUs: usage().cpuNs([system.redis.pid]) / streamed.events / NS_PER_US,
      eventsPerSecond: (streamed.events / streamed.elapsedMs) * MS_PER_S,
    };
  });
}
