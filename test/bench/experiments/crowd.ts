import type { Dialect } from "../load/connection.js";
import type { Disturbance } from "../machine/disturbance.js";
import { DisturbedError } from "../machine/disturbance.js";
import type { Lab } from "../lab.js";
import type { Recorder } from "../measure/recorder.js";
import type { RowId } from "../rows.js";
import type { Memory } from "../system.js";
import { crowded, READER_ONE_OF, type Crowded } from "./crowded.js";
import { openRecorders, type Experiment } from "./experiment.js";

/** Who comes, and what each row calls that. */
interface Variant {
  readonly dialect: Exclude<Dialect, "floor">;
  readonly scraped?: boolean;
  readonly uses: Partial<Record<RowId, string>>;
}

/** The order in which they take turns. */
const VARIANTS: readonly Variant[] = [
  {
    dialect: "stock",
    uses: { memory: "stock", "memory-plain": "stock", connect: "stock", "big-room": "stock" },
  },
  {
    dialect: "ours",
    uses: { memory: "ours", connect: "ours", "big-room": "ours", "metrics-connect": "without" },
  },
  { dialect: "ours", scraped: true, uses: { "metrics-connect": "with metrics" } },
  { dialect: "ours-plain", uses: { "memory-plain": "ours" } },
];
const CONNECTING: readonly RowId[] = ["connect", "metrics-connect"];

const NS_PER_US = 1_000;
const BYTES_PER_KB = 1_000;
/** Of what stock can do: below what would make events wait for each other. */
const LOAD = 0.4;

/** Clients come to a fresh server, stay, and are told something: in each round, for each kind of client. */
export const crowd: Experiment = {
  rows: ["big-room", "memory", "memory-plain", "connect", "metrics-connect"],
  run: async (bench) => {
    const { lab } = bench;
    const { sizes, rounds } = lab.options;
    const eventsPerSecond = bench.recorders.has("big-room")
      ? ((await bench.calibration()).deliveriesPerSecond / sizes.crowdClients) * LOAD
      : 0;
    for (const [id, recorder] of bench.recorders) {
      for (const note of notesOn(id, lab, eventsPerSecond)) recorder.note(note);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { dialect, scraped = false, uses } of VARIANTS) {
        const recorders = openRecorders(bench, Object.keys(uses) as RowId[]);
        if (recorders.length === 0) continue;
        const isOpen = (id: RowId) => recorders.some((recorder) => recorder.id === id);
        const wanted = {
          dialect,
          scraped,
          eventsPerSecond: isOpen("big-room") ? eventsPerSecond : undefined,
          connect: CONNECTING.some(isOpen),
          recorders,
        };
        const { value } = await lab.calmest(() => crowded(lab, wanted));
        for (const recorder of recorders) {
          const name = uses[recorder.id];
          if (name !== undefined) record(recorder, name, value, lab);
        }
      }
    }
  },
};

function notesOn(id: RowId, { options: { sizes } }: Lab, eventsPerSecond: number): string[] {
  if (id === "big-room") {
    return [
      `${sizes.crowdClients} clients, ${eventsPerSecond.toFixed(1)} events/s, timed at one client of ${READER_ONE_OF}`,
    ];
  }
  if (CONNECTING.includes(id)) return [`${sizes.connectClients} clients, WebSocket only`];
  return [`${sizes.crowdClients} clients`, "heapUsed + external after a full collection"];
}

function record(recorder: Recorder, name: string, value: Crowded, lab: Lab): void {
  const { crowdClients, connectClients } = lab.options.sizes;
  const { connectNs, before, after, latency } = value;
  if (CONNECTING.includes(recorder.id)) {
    failIf(recorder, connectNs.disturbance);
    recorder.add(name, connectNs.value / connectClients / NS_PER_US);
  } else if (recorder.id === "big-room") {
    if (latency === undefined) return;
    failIf(recorder, latency.disturbance);
    recorder.add(name, latency.value.p99Ms);
    recorder.detail(`${name} p50 ms`, latency.value.p50Ms);
    recorder.detail(`${name} max ms`, latency.value.maxMs);
  } else {
    const perClient = (sizeOf: (memory: Memory) => number) =>
      (sizeOf(after) - sizeOf(before)) / crowdClients / BYTES_PER_KB;
    recorder.add(
      name,
      perClient(({ heapUsed, external }) => heapUsed + external),
    );
    recorder.detail(
      `${name} RSS KB`,
      perClient(({ rss }) => rss),
    );
  }
}

function failIf(recorder: Recorder, disturbance: Disturbance | undefined): void {
  if (disturbance !== undefined) recorder.fail(new DisturbedError(disturbance));
}
