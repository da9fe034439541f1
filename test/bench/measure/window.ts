import type { Lab, Usage } from "../lab.js";
import type { Seen } from "../load/api.js";
import type { Stream, Streamed } from "../publisher/api.js";
import type { System } from "../system.js";

/** A time in which events were emitted and delivered. */
export interface Window {
  readonly seen: Seen;
  readonly streamed: Streamed;
  readonly elapsedNs: number;
  /** What the servers used. */
  readonly serverNs: number;
  /** What the load process used. */
  readonly loadNs: number;
}

/** How long clients read nothing at a time, while nobody asks how soon they get something: a few events. */
const NAP_MS = 100;

/** What is emitted in a window. */
export type WindowStream = Omit<Stream, "target" | "seed">;

/** Emits events, waits until every client has them all, and says who used what. Measured anew if disturbed. */
export async function measureWindow(
  lab: Lab,
  system: System,
  stream: WindowStream,
  onWindow: (window: Window) => void,
): Promise<Window> {
  return lab.measure(async (usage) => {
    await system.load.call("nap", { ms: NAP_MS });
    try {
      const window = await runWindow(lab, system, stream, usage);
      // Also of a disturbed one: disturbance is no excuse for a lost event.
      onWindow(window);
      return window;
    } finally {
      await system.load.call("nap", { ms: 0 });
    }
  });
}

let seed = 1;

/** The same, once, within a measurement of the caller's. */
export async function runWindow(
  lab: Lab,
  system: System,
  stream: WindowStream,
  usage: () => Usage,
  onStreamed: (streamed: Streamed) => Promise<void> = () => Promise.resolve(),
): Promise<Window> {
  const { target, load, serverPids } = system;
  const streamed = await lab.publisher.call("stream", { ...stream, target, seed: seed++ });
  await onStreamed(streamed);
  const seen = await load.call("expect", { lasts: streamed.lasts });
  const used = usage();
  return {
    seen,
    streamed,
    elapsedNs: used.elapsedNs,
    serverNs: used.cpuNs(serverPids),
    loadNs: used.cpuNs([load.pid]),
  };
}

/** Server CPU for each delivery, in nanoseconds. */
export function costOf({ serverNs, seen }: Window): number {
  return serverNs / seen.deliveries;
}
