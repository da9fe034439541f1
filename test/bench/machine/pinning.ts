import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findProgram } from "../../helpers/tools/tools.js";

/** Where a part of the benchmark runs. */
export interface Place {
  /** The core that it is pinned to, or undefined where nothing can be pinned. */
  readonly core: number | undefined;
  /** Words in front of a program that put it there. */
  readonly launcher: readonly string[];
}

export interface Pinning {
  /** The servers under test. */
  readonly servers: Place;
  /** Everything else: load, publisher, Redis, and the benchmark itself. */
  readonly load: Place;
  /** One line for the report. */
  readonly note: string;
}

const ANYWHERE: Place = { core: undefined, launcher: [] };

/** The core that {@link pin} will put the load on, or undefined where nothing can be pinned. */
export function loadCore(): number | undefined {
  return findProgram(["taskset"]) === undefined ? undefined : allowedCores()[1];
}

/** The first two cores that we may use, and ourselves on the second one, where that is possible. */
export function pin(): Pinning {
  const taskset = findProgram(["taskset"]);
  const [first, second] = allowedCores();
  if (taskset === undefined || first === undefined || second === undefined) {
    const why = taskset === undefined ? "there is no taskset" : "there is one core only";
    const note = `not pinned, because ${why}: servers and load share what there is`;
    return { servers: ANYWHERE, load: ANYWHERE, note };
  }
  const itself = ["-a", "-c", "-p", String(second), String(process.pid)];
  if (spawnSync(taskset, itself, { stdio: "ignore" }).status !== 0) {
    const note = "not pinned, because taskset may not: servers and load share what there is";
    return { servers: ANYWHERE, load: ANYWHERE, note };
  }
  const on = (core: number): Place => ({
    core,
    launcher: [taskset, "-c", String(core)],
  });
  const note = `servers on core ${first}; load, publisher and Redis on core ${second}`;
  return { servers: on(first), load: on(second), note };
}

function allowedCores(): readonly number[] {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    return parseCoreList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
  } catch {
    return []; // no Linux, so no taskset either
  }
}

/** Reads the kernel's form of a list of cores, such as `0-2,5`. */
export function parseCoreList(list: string): readonly number[] {
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    if (first === undefined || last === undefined || range === "") return [];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
