import { existsSync, readdirSync } from "node:fs";
import { constants, setPriority } from "node:os";

/**
 * Has the threads that compile and collect garbage for this process give way to its main thread and to all other
 * processes: else they hold up for milliseconds, on a core that they share, an event that is being timed. Only on Linux,
 * where each thread has a priority of its own.
 */
export function haveHelpersGiveWay(): void {
  const { pid } = process;
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return;
  for (const thread of readdirSync(tasks).map(Number)) {
    if (thread !== pid) setPriority(thread, constants.priority.PRIORITY_LOW);
  }
}
