import type { Lab, Usage } from "../lab.js";
import type { LatencySummary } from "../load/latencies.js";
import type { System } from "../system.js";
import { runWindow, type Window, type WindowStream } from "./window.js";

/**
 * Events before those that are timed: a fresh server has never sent one, and a load that has just put thousands of
 * clients aside is busy with that.
 */
const WARM_UP_EVENTS = 3;

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
  const { load, target } = system;
  await load.call("watch", { oneOf });
  const warmUp = { ...stream, target, bursts: WARM_UP_EVENTS, seed: 0 };
  const warmedUp = await lab.publisher.call("stream", warmUp);
  await load.call("reach", { lasts: warmedUp.lasts, oneOf });
  const window = await runWindow(lab, system, { ...stream, isTimed: true }, usage, ({ lasts }) =>
    load.call("unwatch", { lasts, oneOf }),
  );
  const { emittedAtNs, events, lasts } = window.streamed;
  const first = (lasts[session] ?? 0) - events + 1;
  const latency = await load.call("latencies", { emittedAtNs, first });
  const failures = [...warmedUp.failures, ...window.streamed.failures];
  return { window: { ...window, streamed: { ...window.streamed, failures } }, latency };
}
