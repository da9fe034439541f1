import { existsSync, readFileSync, writeFileSync } from "node:fs";

interface Setting {
  readonly file: string;
  readonly wanted: (before: string) => string;
}

const SETTINGS: readonly Setting[] = [
  {
    // How many packets may wait between two cores: one for each client of the largest room, and what they answer. The
    // default of 1,000 would drop most.
    file: "/proc/sys/net/core/netdev_max_backlog",
    wanted: (before) => `${Math.max(Number(before), 20_000)}`,
  },
  {
    // Else each process that we start is a group of its own, which gets its share of a core whatever the priority of its
    // threads (sched(7), "The autogroup feature"): then helpers do not give way to other processes.
    file: "/proc/sys/kernel/sched_autogroup_enabled",
    wanted: () => "0",
  },
];

/**
 * Changes what there is only once on a machine, for as long as the benchmark runs.
 *
 * @returns what puts it all back, or undefined where it cannot be changed, which needs root
 */
export function changeKernelSettings(): (() => void) | undefined {
  const changed: { file: string; before: string }[] = [];
  const putBack = () => {
    for (const { file, before } of changed) writeFileSync(file, before);
  };
  try {
    // Not every kernel has all of them.
    for (const { file, wanted } of SETTINGS.filter(({ file }) => existsSync(file))) {
      const before = readFileSync(file, "utf8");
      writeFileSync(file, wanted(before));
      changed.push({ file, before });
    }
    return putBack;
  } catch {
    putBack();
    return undefined;
  }
}
