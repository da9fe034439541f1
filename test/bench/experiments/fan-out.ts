import type { Dialect } from "../load/connection.js";
import type { Recorder } from "../measure/recorder.js";
import type { RowId } from "../rows.js";
import { BURST_EVENTS, type Sizes } from "../sizes.js";
import { median } from "../measure/statistics.js";
import type { Audience, System } from "../system.js";
import { costOf, measureWindow, type WindowStream } from "../measure/window.js";
import { openRecorders, type Bench, type Experiment } from "./experiment.js";
import { inTurn } from "./turns.js";

/** One measurement of a round, for each row that uses it under the name that it has there. */
interface Variant {
  readonly dialect: Dialect;
  /** Whether somebody asks for its metrics. */
  readonly scraped?: boolean;
  readonly burst: number;
  readonly uses: Partial<Record<RowId, string>>;
}

/** The order in which they take turns. */
const VARIANTS: readonly Variant[] = [
  { dialect: "stock", burst: 1, uses: { "fan-out": "stock", "fan-out-plain": "stock" } },
  {
    dialect: "ours",
    burst: 1,
    uses: { "fan-out": "ours", "fan-out-floor": "ours", "metrics-room": "without" },
  },
  { dialect: "ours", scraped: true, burst: 1, uses: { "metrics-room": "with metrics" } },
  { dialect: "ours-plain", burst: 1, uses: { "fan-out-plain": "ours" } },
  { dialect: "floor", burst: 1, uses: { "fan-out-floor": "floor" } },
  { dialect: "stock", burst: BURST_EVENTS, uses: { bursts: "stock" } },
  { dialect: "ours", burst: BURST_EVENTS, uses: { bursts: "ours" } },
];

const NS_PER_US = 1_000;
const MS_PER_S = 1_000;
/** Of one alone, its edges would say more than the burst. */
const MIN_BURSTS = 2;
/** Half of what stock can do at most: a server at work, and no queue before it. */
const LOAD = 0.5;

/** One room, all kinds of clients, each kind with a server of its own that stays for all rounds. */
export const fanOut: Experiment = {
  rows: ["fan-out", "fan-out-plain", "fan-out-floor", "bursts", "metrics-room"],
  run: async (bench) => {
    const { lab } = bench;
    const audience: Audience = {
      session: "fan-out",
      role: "student",
      clients: lab.options.sizes.roomClients,
      events: ["question_capture"],
    };
    const { deliveriesPerSecond } = await bench.calibration();
    const eventsPerSecond = (deliveriesPerSecond / audience.clients) * LOAD;
    for (const recorder of bench.recorders.values()) {
      recorder.note(
        `${audience.clients} clients, ${eventsPerSecond.toFixed(0)} events/s, half of what stock can do`,
      );
    }
    const wanted = VARIANTS.filter((variant) => recordersOf(bench, variant).length > 0);
    const systems = Object.fromEntries(
      wanted.map((variant) => {
        const { dialect, scraped = false } = variant;
        return [systemOf(variant), { dialect, scraped }];
      }),
    );
    await inTurn(lab, systems, {
      prepare: (system) => system.connect([audience]),
      measure: async (system, name, round) => {
        for (const variant of wanted.filter((variant) => systemOf(variant) === name)) {
          const stream = streamOf(audience, variant, eventsPerSecond, lab.options.sizes);
          await measureVariant(bench, system, variant, stream, round);
        }
      },
      finish: async (system, name) => {
        const seen = await system.aftermath();
        for (const variant of wanted.filter((variant) => systemOf(variant) === name)) {
          for (const recorder of recordersOf(bench, variant)) recorder.saw(seen);
        }
      },
    });
  },
};

function systemOf({ dialect, scraped = false }: Variant): string {
  return scraped ? `${dialect}-scraped` : dialect;
}

function streamOf(
  { session, events }: Audience,
  { burst }: Variant,
  eventsPerSecond: number,
  { windowMs }: Sizes,
): WindowStream {
  const burstsPerSecond = eventsPerSecond / burst;
  const bursts = Math.max(MIN_BURSTS, Math.ceil((burstsPerSecond * windowMs) / MS_PER_S));
  return { sessions: [session], events, bursts, burstsPerSecond, burst };
}

/** Once for all rows that use it. One that stays disturbed takes these rows with it, and no others. */
async function measureVariant(
  bench: Bench,
  system: System,
  variant: Variant,
  stream: WindowStream,
  round: number,
): Promise<void> {
  const recorders = recordersOf(bench, variant);
  if (recorders.length === 0) return;
  try {
    const window = await measureWindow(bench.lab, system, stream, (window) => {
      for (const recorder of recorders) {
        recorder.sawWindow(window);
        if (variant.burst > 1) {
          recorder.detail("ms to emit a burst", median(window.streamed.burstsMs));
        }
      }
    });
    for (const recorder of round === 0 ? [] : recorders) {
      const name = variant.uses[recorder.id];
      if (name !== undefined) recorder.add(name, costOf(window) / NS_PER_US);
    }
  } catch (error) {
    for (const recorder of recorders) recorder.fail(error);
  }
}

function recordersOf(bench: Bench, { uses }: Variant): readonly Recorder[] {
  return openRecorders(bench, Object.keys(uses) as RowId[]);
}
