import type { Lab, Usage } from "./lab.js";
import type { LatencySummary } from "./load/latencies.js";
import type { System } from "./system.js";
import { runWindow, type Window, type WindowStream } from "./window.js";

export interface LatencyWindow {
  readonly window: Window;
  readonly latency: LatencySummary;
}

/** A window in which every delivery is timed, from when `emit` is called to when the client has read it. */
export async function timedWindow(
  lab: Lab,
  system: System,
  stream: WindowStream,
  usage: () => Usage,
): Promise<LatencyWindow> {
  const [session = ""] = stream.sessions;
  await system.load.call("watch", {});
  const window = await runWindow(lab, system, { ...stream, isTimed: true }, usage);
  const { emittedAtNs, events, lasts } = window.streamed;
  const first = (lasts[session] ?? 0) - events + 1;
  const latency = await system.load.call("latencies", { emittedAtNs, first });
  return { window, latency };
}
