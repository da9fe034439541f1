import type { Lab } from "../lab.js";
import type { Recorder } from "../measure/recorder.js";
import type { Audience, System } from "../system.js";
import { measureWindow, type Window, type WindowStream } from "../measure/window.js";
import type { Experiment } from "./experiment.js";
import { inTurn, stockAndOurs } from "./turns.js";

const EVENTS_PER_SECOND = 20_000;
/** Emitted in one turn of the event loop: timers come no more often than every millisecond. */
const BURST = 40;
/** Sessions that other replicas hold. */
const SESSIONS = 1_000;
/** The stock emitter for both: what a replica pays for others does not depend on who publishes, and 20,000 do. */
const EVENTS = ["question_capture"] as const;
/** Below this share of the rate, it was another workload. */
const MIN_RATE = 0.95;
const ATTEMPTS = 3;
const MS_PER_S = 1_000;

/** What a replica pays for sessions that it does not hold. */
export const otherTraffic: Experiment = {
  rows: ["other-traffic"],
  run: async (bench) => {
    const { lab, recorders } = bench;
    const recorder = recorders.get("other-traffic");
    if (recorder === undefined) return;
    const quiet: Audience = { session: "quiet", role: "student", clients: 1, events: EVENTS };
    const elsewhere = Array.from({ length: SESSIONS }, (_, i) => `elsewhere-${i + 1}`);
    const burstsPerSecond = EVENTS_PER_SECOND / BURST;
    const shared = { events: EVENTS, burstsPerSecond };
    const stream = {
      ...shared,
      sessions: elsewhere,
      bursts: Math.ceil((burstsPerSecond * lab.options.sizes.windowMs) / MS_PER_S),
      burst: BURST,
    };
    // That the replica is still there, and was the one that was asked.
    const sign = { ...shared, sessions: [quiet.session], bursts: 1, burst: 1 };
    recorder.note(
      `${SESSIONS} sessions elsewhere, one quiet client here, all by the stock emitter`,
    );
    await inTurn(lab, stockAndOurs({ publisher: "stock", redisWithServers: true }), {
      prepare: (system) => system.connect([quiet]),
      measure: async (system, name, round) => {
        const window = await measureAtRate(lab, system, stream, recorder);
        if (round > 0) recorder.add(name, (window.serverNs / window.elapsedNs) * 100);
        recorder.sawWindow(await measureWindow(lab, system, sign, () => undefined));
      },
      finish: async (system) => {
        recorder.saw(await system.aftermath());
      },
    });
  },
};

/** Measured anew, a few times at most, where the publisher did not get as far as it should. */
async function measureAtRate(
  lab: Lab,
  system: System,
  stream: WindowStream,
  recorder: Recorder,
): Promise<Window> {
  for (let attempt = 1; ; attempt++) {
    const window = await measureWindow(lab, system, stream, (window) => {
      recorder.sawWindow(window);
    });
    const rate = (window.streamed.events / window.streamed.elapsedMs) * MS_PER_S;
    if (rate >= EVENTS_PER_SECOND * MIN_RATE) return window;
    if (attempt >= ATTEMPTS) {
      throw new Error(`${rate.toFixed(0)} events/s were published, not ${EVENTS_PER_SECOND}`);
    }
  }
}
