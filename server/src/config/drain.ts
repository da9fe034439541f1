import type { ClusterConfig } from "./redis.js";
import { wholeNumber, type Reader } from "./readers.js";

/** How this replica goes when it is told to by SIGTERM. */
export interface DrainConfig {
  /** For so long a balancer may send it new clients, after it has said that it is not ready any more. */
  readonly delayMs: number;
  /** Then its connections end evenly over this time. */
  readonly spreadMs: number;
  /** In this time after the signal it has ended, whatever hangs. */
  readonly graceMs: number;
}

/** Two periods of the readiness probe in `k8s/`: by then a balancer has noticed. */
const DELAY_MS = 10_000;
/** As many connections as a replica may have come back to others at 1,000 in a second. */
const SPREAD_MS = 20_000;
/** For requests that are under way, changes of presence, and a Redis that hangs. Measured: 7 s at most. */
const RESERVE_MS = 15_000;
const MAX_MS = 600_000;

const orByCluster: Reader<number | undefined> = (text) =>
  text === undefined ? undefined : wholeNumber(0, 0, MAX_MS)(text);

export const DRAIN_READERS = {
  DRAIN_DELAY_MS: orByCluster,
  DRAIN_SPREAD_MS: orByCluster,
  HANDOVER_MS: wholeNumber(30_000, 1_000, MAX_MS),
} satisfies Record<string, Reader<number | undefined>>;

/**
 * Without Redis there is no other replica to which anybody could go: nothing is waited for.
 *
 * @param read - the value of a variable
 */
export function toDrain(
  read: (variable: "DRAIN_DELAY_MS" | "DRAIN_SPREAD_MS") => number | undefined,
  { kind }: ClusterConfig,
): DrainConfig {
  const delayMs = read("DRAIN_DELAY_MS") ?? (kind === "redis" ? DELAY_MS : 0);
  const spreadMs = read("DRAIN_SPREAD_MS") ?? (kind === "redis" ? SPREAD_MS : 0);
  return { delayMs, spreadMs, graceMs: delayMs + spreadMs + RESERVE_MS };
}
