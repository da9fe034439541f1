import { calibrateAlone, type Calibration } from "./measure/calibration.js";
import { crowd } from "./experiments/crowd.js";
import { fanOut } from "./experiments/fan-out.js";
import { latency } from "./experiments/latency.js";
import { manySessions, manySessionsScraped } from "./experiments/many-sessions.js";
import { otherTraffic } from "./experiments/other-traffic.js";
import { masters } from "./experiments/masters.js";
import { replicas } from "./experiments/replicas.js";
import { publish } from "./experiments/publish.js";
import type { Experiment } from "./experiments/experiment.js";
import type { Lab } from "./lab.js";
import { Recorder } from "./measure/recorder.js";
import { summaryOf } from "./report/words.js";
import type { RowResult } from "./measure/results.js";
import type { RowId } from "./rows.js";

const EXPERIMENTS: readonly Experiment[] = [
  fanOut,
  crowd,
  manySessions,
  manySessionsScraped,
  otherTraffic,
  latency,
  publish,
  masters,
  replicas,
];

/** Measures the wanted rows, in the order of the table. A row that cannot be measured says so. */
export async function measureRows(lab: Lab, wanted: readonly RowId[]): Promise<RowResult[]> {
  let calibrated: Promise<Calibration> | undefined;
  const calibration = () =>
    (calibrated ??= calibrateAlone(lab).catch((error: unknown) => {
      // Whoever asks next may find the machine calmer.
      calibrated = undefined;
      throw error;
    }));
  const results: RowResult[] = [];
  for (const { rows, run } of EXPERIMENTS) {
    const ids = rows.filter((id) => wanted.includes(id));
    if (ids.length === 0) continue;
    lab.options.print(`measuring ${ids.join(", ")}`);
    const recorders = new Map(ids.map((id) => [id, new Recorder(id)]));
    try {
      await run({ lab, recorders, calibration });
    } catch (error) {
      for (const recorder of recorders.values()) recorder.fail(error);
    }
    const measured = [...recorders.values()].map((recorder) => recorder.result());
    for (const result of measured) lab.options.print(`  ${summaryOf(result)}`);
    results.push(...measured);
  }
  return wanted.flatMap((id) => results.filter((result) => result.id === id));
}
