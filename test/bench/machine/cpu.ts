import { readdirSync, readFileSync } from "node:fs";

const NS_PER_S = 1e9;
/** The kernel counts user time in these for programs: USER_HZ, which is 100 on every Linux that Node.js runs on. */
const TICKS_PER_S = 100;

/** How long a process has been on a CPU so far, in nanoseconds; 0 where it is gone. */
export function cpuOf(pid: number): number {
  try {
    let total = 0;
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ", 1)[0]);
    }
    return total;
  } catch {
    return ticksOf(pid);
  }
}

/** The same from /proc/<pid>/stat, in steps of 10 ms: for kernels without schedstat. */
function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, which may hold spaces: utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_S) * NS_PER_S;
  } catch {
    return 0;
  }
}

/**
 * How long each core has been busy so far, in nanoseconds, stolen time included: the lines of /proc/stat.
 *
 * @param countsInterrupts - whether what the kernel did in interrupts counts, which it also does for processes elsewhere
 */
export function busyByCore(
  countsInterrupts: (core: number) => boolean,
): ReadonlyMap<number, number> {
  const busy = new Map<number, number>();
  for (const line of readFileSync("/proc/stat", "utf8").split("\n")) {
    const [, core, numbers] = /^cpu(\d+) (.*)$/.exec(line) ?? [];
    if (core === undefined || numbers === undefined) continue;
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = numbers
      .split(" ")
      .map(Number);
    const interrupts = countsInterrupts(Number(core)) ? irq + softirq : 0;
    const ticks = user + nice + system + steal + interrupts;
    busy.set(Number(core), (ticks / TICKS_PER_S) * NS_PER_S);
  }
  return busy;
}
