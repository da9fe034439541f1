import { WaitOver } from "./waits.js";

/** What who behaves may wait for an answer, on a machine that others share. */
const MAX_WAIT_MS = 3_000;
/** What the heap of a server that serves nobody may differ by from one time to the next. */
const MAX_BYTES_LEFT = 4 * 1024 * 1024;
/** Of one kind, in full. */
const MAX_TOLD = 5;

/** What is wrong with the server, in a sentence, where nothing more is to be seen of it. */
export class Broken extends Error {}

/** What a run has seen. */
export class FuzzReport {
  inputs = 0;
  /** Why it was over before its time, where the server was. */
  readonly broken: string[] = [];
  /** What it has not found out, and why: its own waits that were over. That says nothing of the server. */
  readonly unknown: string[] = [];
  /** Answers with a status of 500 or more but 501, each with the visit that it was given to. */
  readonly failures: string[] = [];
  /** Lines of the log that tell of an error. */
  readonly errors: string[] = [];
  /** The longest time in which somebody who behaves was answered. */
  longestMs = 0;
  /** What is open and held afterwards that was not before: `NaN` where it was not counted. */
  descriptorsLeft = NaN;
  bytesLeft = NaN;

  /** Notes what ended the run, or a part of it. */
  tell(error: unknown): void {
    if (error instanceof Broken) this.broken.push(error.message);
    else if (error instanceof WaitOver) this.unknown.push(error.message);
    else this.unknown.push(`the fuzzer itself has failed: ${String(error)}`);
  }

  /** In one line. */
  summary(): string {
    const { inputs, longestMs, descriptorsLeft, bytesLeft } = this;
    return (
      `${String(inputs)} inputs; the longest answer to who behaves took ${longestMs.toFixed(0)} ms; ` +
      `left behind: ${known(descriptorsLeft)} descriptors, ${known(Math.round(bytesLeft / 1_024))} KB`
    );
  }

  /** What was wrong, in sentences: nothing, where the server has stood all that is known. */
  faults(): string[] {
    const { broken, failures, errors, longestMs, descriptorsLeft, bytesLeft } = this;
    const faults = [broken, failures, errors].flatMap((told) => told.slice(0, MAX_TOLD));
    if (longestMs > MAX_WAIT_MS) faults.push(`who behaves waited ${longestMs.toFixed(0)} ms`);
    if (descriptorsLeft > 0) faults.push(`${String(descriptorsLeft)} descriptors are left open`);
    if (bytesLeft > MAX_BYTES_LEFT) faults.push(`${String(bytesLeft)} bytes are left in the heap`);
    return faults;
  }
}

function known(count: number): string {
  return Number.isNaN(count) ? "unknown" : String(count);
}
