import type { Calibration } from "../measure/calibration.js";
import type { Lab } from "../lab.js";
import type { Recorder } from "../measure/recorder.js";
import type { RowId } from "../rows.js";

/** Rows that share their set-up. */
export interface Experiment {
  readonly rows: readonly RowId[];
  readonly run: (bench: Bench) => Promise<void>;
}

/** What an experiment has at hand. */
export interface Bench {
  readonly lab: Lab;
  /** The rows of the experiment that are wanted. */
  readonly recorders: ReadonlyMap<RowId, Recorder>;
  /** Measured when it is first asked for. */
  readonly calibration: () => Promise<Calibration>;
}

/** The recorders of these rows that are wanted and still worth measuring. */
export function openRecorders({ recorders }: Bench, ids: readonly RowId[]): readonly Recorder[] {
  return ids.flatMap((id) => recorders.get(id) ?? []).filter(({ isOpen }) => isOpen);
}
