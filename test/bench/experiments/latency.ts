import { timedWindow } from "../measure/latency.js";
import type { Audience } from "../system.js";
import type { Experiment } from "./experiment.js";
import { inTurn, stockAndOurs } from "./turns.js";

const REPLICAS = 3;
const EVENTS_PER_SECOND = 100;
const MS_PER_S = 1_000;
/** Of the clients, who reads at once: all of them would take longer to read than our servers to write. */
const READER_ONE_OF = 5;
/** Events of a rehearsal, which one client for each replica gets: so many that there is still a timer for each. */
const REHEARSED_PER_SECOND = 1_000;

/** From the emitter to clients of three replicas, which share one core. */
export const latency: Experiment = {
  rows: ["latency"],
  run: async (bench) => {
    const { lab, recorders } = bench;
    const { sizes } = lab.options;
    const recorder = recorders.get("latency");
    if (recorder === undefined) return;
    const audience: Audience = {
      session: "latency",
      role: "student",
      clients: sizes.latencyClients,
      events: ["question_capture"],
    };
    const stream = {
      sessions: [audience.session],
      events: audience.events,
      bursts: Math.ceil((EVENTS_PER_SECOND * sizes.latencyMs) / MS_PER_S),
      burstsPerSecond: EVENTS_PER_SECOND,
      burst: 1,
    };
    recorder.note(
      `${sizes.latencyClients} clients on each of ${REPLICAS} replicas, timed at one of ${READER_ONE_OF}`,
    );
    await inTurn(lab, stockAndOurs({ replicas: REPLICAS }), {
      prepare: async (system) => {
        // What is done once for each event, and not for each client, takes thousands of events until it is compiled: each
        // such time would be one of the slowest in a window of hundreds. So a small session gets them before.
        const rehearsal = { ...audience, session: "rehearsal", clients: 1 };
        await system.connect([audience, rehearsal]);
        const { lasts } = await lab.publisher.call("stream", {
          target: system.target,
          sessions: [rehearsal.session],
          events: rehearsal.events,
          bursts: Math.ceil((REHEARSED_PER_SECOND * sizes.rehearsalMs) / MS_PER_S),
          burstsPerSecond: REHEARSED_PER_SECOND,
          burst: 1,
          isTimed: true,
          seed: 0,
        });
        recorder.saw(await system.load.call("expect", { lasts }));
      },
      measure: async (system, name, round) => {
        const summary = await lab.measure(async (usage) => {
          const { window, latency } = await timedWindow(lab, system, stream, usage, READER_ONE_OF);
          recorder.sawWindow(window);
          return latency;
        });
        if (round === 0) return;
        recorder.add(name, summary.p99Ms);
        recorder.detail(`${name} p50 ms`, summary.p50Ms);
        recorder.detail(`${name} max ms`, summary.maxMs);
      },
      finish: async (system) => {
        recorder.saw(await system.aftermath());
      },
    });
  },
};
