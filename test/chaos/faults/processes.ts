import type { Findings } from "../judge/findings.js";
import type { Exit } from "../../helpers/processes/server-process.js";

/** A process that is watched: the same object over all of its starts. */
interface Watched {
  readonly exited: Promise<Exit>;
  output(): string;
}

/** Knows which processes end because they are told to, and finds those that end by themselves. */
export class Processes {
  readonly #findings: Findings;
  readonly #doomed = new Set<Watched>();
  #isOver = false;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** From its present start on, until {@link Processes.doom}, it may not end. */
  watch(name: string, process: Watched): void {
    this.#doomed.delete(process);
    void process.exited.then((exit) => {
      if (this.#isOver || this.#doomed.has(process)) return;
      this.#find(name, `ended by itself: ${describe(exit)}`, process);
    });
  }

  /** It is about to be ended. */
  doom(process: Watched): void {
    this.#doomed.add(process);
  }

  /** It was asked to end in order, with SIGTERM. */
  judgeEnd(name: string, process: Watched, exit: Exit): void {
    if (exit.code === 0) return;
    this.#find(name, `was asked to end, and did with ${describe(exit)}`, process);
  }

  /** From now on all of them may end. */
  release(): void {
    this.#isOver = true;
  }

  #find(name: string, what: string, process: Watched): void {
    const output = process.output().split("\n").slice(-20);
    this.#findings.add("broken", 1, name, what, output);
  }
}

function describe({ code, signal }: Exit): string {
  return signal ?? `exit code ${code}`;
}
