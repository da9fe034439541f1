import type { Dialect } from "../load/connection.js";
import type { Recorder } from "../recorder.js";
import type { RowId } from "../rows.js";
import { BURST_EVENTS } from "../sizes.js";
import { System, type Audience } from "../system.js";
import { costOf, measureWindow } from "../window.js";
import { openRecorders, type Bench, type Experiment } from "./experiment.js";

/** One measurement of a round, for each row that uses it under the name that it has there. */
interface Variant {
  readonly dialect: Dialect;
  readonly burst: number;
  readonly uses: Partial<Record<RowId, string>>;
}

/** The order in which they take turns. */
const VARIANTS: readonly Variant[] = [
  { dialect: "stock", burst: 1, uses: { "fan-out": "stock", "fan-out-plain": "stock" } },
  { dialect: "ours", burst: 1, uses: { "fan-out": "ours", "fan-out-floor": "ours" } },
  { dialect: "ours-plain", burst: 1, uses: { "fan-out-plain": "ours" } },
  { dialect: "floor", burst: 1, uses: { "fan-out-floor": "floor" } },
  { dialect: "stock", burst: BURST_EVENTS, uses: { bursts: "stock" } },
  { dialect: "ours", burst: BURST_EVENTS, uses: { bursts: "ours" } },
];

const NS_PER_US = 1_000;
/** Half of what stock can do at most: a server at work, and no queue before it. */
const LOAD = 0.5;

/** One room, all kinds of clients, each kind with servers of its own that stay for all rounds. */
export const fanOut: Experiment = {
  rows: ["fan-out", "fan-out-plain", "fan-out-floor", "bursts"],
  run: async (bench) => {
    const { lab } = bench;
    const { sizes, rounds } = lab.options;
    const audience: Audience = {
      session: "fan-out",
      role: "student",
      clients: sizes.roomClients,
      events: ["question_capture"],
    };
    const { deliveriesPerSecond } = await bench.calibration();
    const eventsPerSecond = (deliveriesPerSecond / audience.clients) * LOAD;
    const wanted = VARIANTS.filter((variant) => recordersOf(bench, variant).length > 0);
    const systems = new Map<Dialect, System>();
    try {
      for (const { dialect } of wanted) {
        if (systems.has(dialect)) continue;
        const system = await System.open(lab, { dialect });
        systems.set(dialect, system);
        await system.connect([audience]);
      }
      // The first round warms up, and counts for nothing but faults.
      for (let round = 0; round <= rounds; round++) {
        for (const variant of wanted) {
          const system = systems.get(variant.dialect);
          const recorders = recordersOf(bench, variant);
          if (system === undefined || recorders.length === 0) continue;
          const measured = { audience, burst: variant.burst, eventsPerSecond };
          const cost = await costIn(bench, system, measured, recorders);
          for (const recorder of round === 0 ? [] : recorders) {
            const name = variant.uses[recorder.id];
            if (cost !== undefined && name !== undefined) recorder.add(name, cost / NS_PER_US);
          }
        }
      }
      for (const variant of wanted) {
        const seen = await systems.get(variant.dialect)?.aftermath();
        for (const recorder of seen === undefined ? [] : recordersOf(bench, variant)) {
          if (seen !== undefined) recorder.saw(seen);
        }
      }
      for (const recorder of bench.recorders.values()) {
        recorder.note(
          `${audience.clients} clients, ${eventsPerSecond.toFixed(0)} events/s, half of what stock can do`,
        );
      }
    } finally {
      await Promise.all([...systems.values()].map((system) => system.stop()));
    }
  },
};

interface Measured {
  readonly audience: Audience;
  readonly burst: number;
  readonly eventsPerSecond: number;
}

/** Nanoseconds for each delivery, or undefined if it could not be measured, which the recorders then know. */
async function costIn(
  { lab }: Bench,
  system: System,
  { audience, burst, eventsPerSecond }: Measured,
  recorders: readonly Recorder[],
): Promise<number | undefined> {
  const burstsPerSecond = eventsPerSecond / burst;
  const bursts = Math.max(2, Math.ceil((burstsPerSecond * lab.options.sizes.windowMs) / 1_000));
  const stream = {
    sessions: [audience.session],
    events: audience.events,
    bursts,
    burstsPerSecond,
    burst,
  };
  try {
    const window = await measureWindow(lab, system, stream, (window) => {
      for (const recorder of recorders) {
        recorder.sawWindow(window);
        if (burst > 1) recorder.detail("longest burst, ms", window.streamed.longestBurstMs);
      }
    });
    return costOf(window);
  } catch (error) {
    for (const recorder of recorders) recorder.fail(error);
    return undefined;
  }
}

function recordersOf(bench: Bench, { uses }: Variant): readonly Recorder[] {
  return openRecorders(bench, Object.keys(uses) as RowId[]);
}
