import { busyByCore, cpuOf } from "./machine/cpu.js";
import {
  calmest,
  describeDisturbance,
  DisturbedError,
  findDisturbance,
  type Attempt,
} from "./machine/disturbance.js";
import { haveHelpersGiveWay } from "./machine/give-way.js";
import type { Pinning, Place } from "./machine/pinning.js";
import type { PublisherApi } from "./publisher/api.js";
import type { Sizes } from "./sizes.js";
import { Worker } from "./worker.js";

/** How often a round is measured before it is called disturbed. */
const ATTEMPTS = 5;

export interface LabOptions {
  readonly pinning: Pinning;
  readonly sizes: Sizes;
  readonly rounds: number;
  /** The node binary of the servers under test. */
  readonly node: string;
  /** What others may use of a pinned core, in percent. */
  readonly tolerancePercent: number;
  readonly print: (line: string) => void;
}

/** What was used while something ran. */
export interface Usage {
  readonly elapsedNs: number;
  cpuNs(pids: readonly number[]): number;
}

export interface Stoppable {
  stop(): Promise<void>;
}

/** What all measurements share: where things run, who publishes, and which processes are our own. */
export class Lab {
  readonly options: LabOptions;
  readonly publisher: Worker<PublisherApi>;
  readonly #own = new Map<number, Place>();
  readonly #opening = new Set<Promise<Stoppable>>();
  readonly #opened = new Set<Stoppable>();
  #isClosing = false;

  private constructor(options: LabOptions, publisher: Worker<PublisherApi>) {
    this.options = options;
    this.publisher = publisher;
    this.adopt([process.pid, publisher.pid], options.pinning.load);
  }

  static async open(options: LabOptions): Promise<Lab> {
    const program = new URL("publisher/main.ts", import.meta.url);
    const { launcher } = options.pinning.load;
    haveHelpersGiveWay();
    return new Lab(options, await Worker.start<PublisherApi>(program, launcher));
  }

  /** These processes are ours: what they use disturbs nobody. */
  adopt(pids: readonly number[], place: Place): void {
    for (const pid of pids) this.#own.set(pid, place);
  }

  disown(pids: readonly number[]): void {
    for (const pid of pids) this.#own.delete(pid);
  }

  /** Opens something that is stopped with the lab, also if that ends meanwhile, unless it is released before. */
  async keep<T extends Stoppable>(open: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw new Error("the benchmark is ending");
    const opening = open();
    this.#opening.add(opening);
    try {
      const part = await opening;
      this.#opened.add(part);
      return part;
    } finally {
      this.#opening.delete(opening);
    }
  }

  release(part: Stoppable): void {
    this.#opened.delete(part);
  }

  /** Runs something, and says who used what meanwhile. */
  async observe<T>(action: (usage: () => Usage) => Promise<T>): Promise<Attempt<T>> {
    const cpuBefore = new Map([...this.#own.keys()].map((pid) => [pid, cpuOf(pid)]));
    const busyBefore = this.#busyByCore();
    const startedAt = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - startedAt);
    const used = (pid: number) => cpuOf(pid) - (cpuBefore.get(pid) ?? 0);
    const usage = () => ({
      elapsedNs: elapsed(),
      cpuNs: (pids: readonly number[]) => pids.reduce((sum, pid) => sum + used(pid), 0),
    });
    const value = await action(usage).catch((cause: unknown) => {
      // Whatever it needed has just been stopped: what it says of that is no cause.
      throw this.#isClosing ? new Error("the benchmark was interrupted", { cause }) : cause;
    });

    const busyNs = new Map(
      [...this.#busyByCore()].map(([core, busy]) => [core, busy - (busyBefore.get(core) ?? 0)]),
    );
    const ownNs = new Map<number, number>();
    for (const [pid, { core }] of this.#own) {
      if (core !== undefined) ownNs.set(core, (ownNs.get(core) ?? 0) + used(pid));
    }
    const activity = { elapsedNs: elapsed(), busyNs, ownNs };
    return { value, disturbance: findDisturbance(activity, this.options.tolerancePercent) };
  }

  /** Without interrupts on the load's core: what clients' kernels do there is charged to nobody. */
  #busyByCore(): ReadonlyMap<number, number> {
    return busyByCore((core) => core !== this.options.pinning.load.core);
  }

  /**
   * As {@link Lab.observe}, anew while others disturb.
   *
   * @throws DisturbedError where they do not stop
   */
  async measure<T>(action: (usage: () => Usage) => Promise<T>): Promise<T> {
    const { value, disturbance } = await this.calmest(() => this.observe(action));
    if (disturbance !== undefined) throw new DisturbedError(disturbance);
    return value;
  }

  /** Measures anew while others disturb, a few times at most. */
  async calmest<T>(measure: () => Promise<Attempt<T>>): Promise<Attempt<T>> {
    return calmest(async () => {
      const attempt = await measure();
      const { disturbance } = attempt;
      if (disturbance !== undefined) this.options.print(`  ${describeDisturbance(disturbance)}`);
      return attempt;
    }, ATTEMPTS);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#opening);
    await Promise.all([...this.#opened].map((part) => part.stop()));
    await this.publisher.stop();
  }
}
