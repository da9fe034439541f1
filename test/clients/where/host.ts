import type { Seat } from "../seat.js";
import type { Task } from "./program.js";

/** What runs programs. */
export interface Host {
  /** What it is, by its version. */
  readonly version: string;
  /** Starts a program, whose lines go to the seat. */
  start(task: Task, seat: Seat): Promise<void>;
  /** Ends all that it has started. */
  stop(): Promise<void>;
}

/** Installs what is missing, and makes a host. It throws where that cannot be had. */
export type Where = () => Promise<Host>;
