import type { Audience } from "../system.js";
import { costOf, measureWindow } from "../measure/window.js";
import type { Experiment } from "./experiment.js";
import { inTurn } from "./turns.js";

const REPLICAS = [1, 2, 3] as const;
const NS_PER_US = 1_000;
const MS_PER_S = 1_000;
/** Of what stock can do, with the most replicas on the one core. */
const LOAD = 0.5;

/** Whether a delivery costs the same however many replicas there are: then the cluster scales by adding some. */
export const replicas: Experiment = {
  rows: ["replicas"],
  run: async (bench) => {
    const { lab, recorders } = bench;
    const { sizes } = lab.options;
    const recorder = recorders.get("replicas");
    if (recorder === undefined) return;
    const audience: Audience = {
      session: "replicas",
      role: "student",
      clients: sizes.replicaClients,
      events: ["question_capture"],
    };
    const { deliveriesPerSecond } = await bench.calibration();
    const most = audience.clients * Math.max(...REPLICAS);
    const burstsPerSecond = (deliveriesPerSecond / most) * LOAD;
    const stream = {
      sessions: [audience.session],
      events: audience.events,
      bursts: Math.ceil((burstsPerSecond * sizes.windowMs) / MS_PER_S),
      burstsPerSecond,
      burst: 1,
    };
    recorder.note(
      `${sizes.replicaClients} clients on each replica, ${burstsPerSecond.toFixed(0)} events/s`,
    );
    const wanted = Object.fromEntries(
      REPLICAS.map((count) => [`${count}`, { dialect: "ours", replicas: count } as const]),
    );
    await inTurn(lab, wanted, {
      prepare: (system) => system.connect([audience]),
      measure: async (system, name, round) => {
        const window = await measureWindow(lab, system, stream, (window) => {
          recorder.sawWindow(window);
        });
        if (round > 0) recorder.add(name, costOf(window) / NS_PER_US);
      },
      finish: async (system) => {
        recorder.saw(await system.aftermath());
      },
    });
  },
};
