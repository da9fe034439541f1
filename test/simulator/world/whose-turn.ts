import type { Random } from "./random.js";
import type { Immediate, Timer } from "./timer.js";

/** A simulated process, as far as whoever answers its questions, or carries its bytes, knows it. */
export interface ProcessInTurn {
  readonly name: string;
  readonly random: Random;
  readonly isAlive: boolean;
  /** As `performance.now()`. */
  readonly monotonic: number;
  /** As `Date.now()`, with its fraction. */
  readonly wall: number;
  setTimer(run: () => void, delayMs: number, isRepeated: boolean): Timer;
  setImmediate(run: () => void): Immediate;
  /** Something has come from outside. */
  arrive(run: () => void): void;
  onEnd(listener: () => void): void;
}
