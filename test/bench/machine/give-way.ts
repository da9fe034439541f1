import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

/**
 * Has the threads that compile and collect garbage for this process run only when nobody else wants their core
 * (SCHED_IDLE, sched(7)): else they hold up for milliseconds, on a core that they share, an event that is being timed. The
 * lowest priority is not enough: what has the core keeps it for a while. Only on Linux, where each thread has a policy of
 * its own.
 */
export function haveHelpersGiveWay(): void {
  const { pid } = process;
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return;
  for (const thread of readdirSync(tasks).filter((thread) => thread !== `${pid}`)) {
    // Of util-linux, which no Linux is without. A thread that has just ended is no error.
    spawnSync("chrt", ["--idle", "--pid", "0", thread], { stdio: "ignore" });
  }
}
