import { closeSync, openSync, writeSync } from "node:fs";

const LATENCY_REQUEST = "/dev/cpu_dma_latency";

export interface Awake {
  /** One line for the report. */
  readonly note: string;
  /** Lets cores sleep again. Once only. */
  readonly end: () => void;
}

/**
 * Keeps idle cores from going to sleep, by the kernel's own means (PM QoS, Linux, Documentation/power/pm_qos_interface.rst:
 * a request for no latency at all, which holds as long as the file is open). Whoever sends something to a core that
 * sleeps, and more so to a virtual one, pays for waking it up: then a delivery would cost the server the more the less
 * its clients have to do.
 */
export function keepAwake(): Awake {
  let file: number;
  try {
    file = openSync(LATENCY_REQUEST, "w");
  } catch {
    return { note: "idle cores may sleep, which needs root to avoid", end: () => undefined };
  }
  // 32 bits, in microseconds.
  writeSync(file, new Uint8Array(4));
  return {
    note: "idle cores stay awake",
    end: () => {
      closeSync(file);
    },
  };
}
