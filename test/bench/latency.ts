import type { Lab, Usage } from "./lab.js";
import type { LatencySummary } from "./load/latencies.js";
import type { System } from "./system.js";
import { runWindow, type Window, type WindowStream } from "./window.js";

export interface LatencyWindow {
  readonly window: Window;
  readonly latency: LatencySummary;
}

/**
 * A window in which deliveries are timed, from when `emit` is called to when the client has read it.
 *
 * @param oneOf - in a big room clients on one machine would take as long to read as the server to write: so only one of
 *   so many, spread over the room, reads at once. The others read what waits for them afterwards, and must find it all.
 */
export async function timedWindow(
  lab: Lab,
  system: System,
  stream: WindowStream,
  usage: () => Usage,
  oneOf = 1,
): Promise<LatencyWindow> {
  const [session = ""] = stream.sessions;
  await system.load.call("watch", { oneOf });
  const window = await runWindow(lab, system, { ...stream, isTimed: true }, usage, ({ lasts }) =>
    system.load.call("unwatch", { lasts, oneOf }),
  );
  const { emittedAtNs, events, lasts } = window.streamed;
  const first = (lasts[session] ?? 0) - events + 1;
  const latency = await system.load.call("latencies", { emittedAtNs, first });
  return { window, latency };
}
