import { readFile } from "node:fs/promises";

/** The resident memory of a process in MiB, 0 where it is gone. Linux tells. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8").catch(() => "");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

/** The processor time that a process has taken, in seconds. Linux tells, in hundredths. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8").catch(() => "");
  // Behind the name, which may hold anything.
  const [user = "0", system = "0"] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14);
  return (Number(user) + Number(system)) / 100;
}

/** Looks at it again and again, until it is told to stop. */
export class MemoryWatch {
  readonly samples: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number, everyMs: number) {
    this.#timer = setInterval(() => {
      void residentMiB(pid).then((mib) => this.samples.push(mib));
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get most(): number {
    return Math.max(0, ...this.samples);
  }
}
