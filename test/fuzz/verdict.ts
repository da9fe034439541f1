import type { FuzzReport } from "./run.js";

/** What who behaves may wait for an answer, on a machine that others share. */
const MAX_WAIT_MS = 3_000;
/** What the heap of a server that serves nobody may differ by from one time to the next. */
const MAX_BYTES_LEFT = 4 * 1024 * 1024;
/** Of one kind, in full. */
const MAX_TOLD = 5;

/** What was wrong, in sentences: nothing, where the server has stood it. */
export function faultsOf(report: FuzzReport): string[] {
  const { failures, errors, longestMs, descriptorsLeft, bytesLeft } = report;
  const faults = [...failures.slice(0, MAX_TOLD), ...errors.slice(0, MAX_TOLD)];
  if (longestMs > MAX_WAIT_MS) faults.push(`who behaves waited ${longestMs.toFixed(0)} ms`);
  if (descriptorsLeft > 0) faults.push(`${String(descriptorsLeft)} descriptors are left open`);
  if (bytesLeft > MAX_BYTES_LEFT) faults.push(`${String(bytesLeft)} bytes are left in the heap`);
  return faults;
}
