import { Launched, minimalEnvironment } from "../helpers/server-process.js";
import { findProgram } from "../helpers/tools.js";
import type { Place } from "./pinning.js";

/**
 * Keeps the core of the load from going to sleep, by a loop that runs only when nothing else does (SCHED_IDLE, see
 * sched(7)). Where a core sleeps, and more so a virtual one, whoever sends to it pays for waking it up: then a delivery
 * would cost the server the more the less the clients have to do.
 *
 * @returns undefined where nothing is pinned, or without `chrt`
 */
export async function keepAwake({ core, launcher }: Place): Promise<Launched | undefined> {
  const chrt = findProgram(["chrt"]);
  if (core === undefined || chrt === undefined) return undefined;
  return Launched.start("sh", ["-c", "while :; do :; done"], {
    env: minimalEnvironment(),
    launcher: [...launcher, chrt, "--idle", "0"],
  });
}
