import { readdirSync, statSync } from "node:fs";
import { collectDefaultMetrics, Gauge, type Registry } from "prom-client";

/** For these the library makes a list of all handles of the process at each scrape: that is one of each connection. */
const LISTED = ["handles", "requests", "resources"].flatMap((what) => [
  `nodejs_active_${what}`,
  `nodejs_active_${what}_total`,
]);
const OPEN_FILES = "process_open_fds";
const DESCRIPTORS = "/proc/self/fd";

/** The library's own metrics of the process, but for what takes it as long as there are connections. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of LISTED) registry.removeSingleMetric(name);
  // It is known on Linux alone.
  if (!registry.getSingleMetric(OPEN_FILES)) return;
  registry.removeSingleMetric(OPEN_FILES);
  new Gauge({
    name: OPEN_FILES,
    help: "Number of open file descriptors",
    registers: [registry],
    collect() {
      this.set(countOpenFiles());
    },
  });
}

/** Linux says it as the size of the folder, from 6.2 on (proc(5)); before, they have to be listed. */
function countOpenFiles(): number {
  const { size } = statSync(DESCRIPTORS);
  return size > 0 ? size : readdirSync(DESCRIPTORS).length;
}
