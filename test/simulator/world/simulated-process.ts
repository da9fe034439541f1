import { Heap } from "./heap.js";
import type { Random } from "./random.js";
import { Timer, type Immediate } from "./timer.js";
import type { ProcessInTurn } from "./whose-turn.js";
import type { World } from "./world.js";

/** How fast a process goes through its work, in milliseconds a turn of its event loop. */
const TURN_MS = 0.02;

/**
 * A process of Node.js: an event loop whose turns are timers, then what has arrived, then immediates, and clocks of its own.
 * After each callback all microtasks are done, as in Node.js. It can be frozen, and killed: then nothing of it runs any more.
 */
export class SimulatedProcess implements ProcessInTurn {
  readonly name: string;
  readonly random: Random;
  readonly #world: World;
  readonly #timers = new Heap<Timer>();
  #arrived: (() => void)[] = [];
  #immediates: Immediate[] = [];
  #isAlive = true;
  #isFrozen = false;
  #turnAt = Infinity;
  /** Of how many turns that were planned only the newest counts. */
  #planned = 0;
  /** The monotonic clock: how fast it goes, and from where on. */
  #rate: number;
  #rateSince: number;
  #monotonicThen: number;
  /** How far its wall clock is ahead of the world's. */
  #aheadMs: number;
  readonly #onEnd: (() => void)[] = [];

  constructor(world: World, name: string, clock: { rate?: number; aheadMs?: number } = {}) {
    this.#world = world;
    this.name = name;
    this.random = world.random.fork();
    this.#rate = clock.rate ?? 1;
    this.#aheadMs = clock.aheadMs ?? 0;
    this.#rateSince = world.now;
    // Processes begin at different times: what compares clocks of two of them is wrong at once.
    this.#monotonicThen = 20 + this.random.below(10_000_000) / 8;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** As `performance.now()`. */
  get monotonic(): number {
    return this.#monotonicThen + (this.#world.now - this.#rateSince) * this.#rate;
  }

  /** As `Date.now()`, with its fraction. */
  get wall(): number {
    return this.#world.wall + this.#aheadMs;
  }

  get activeTimers(): number {
    let count = 0;
    for (const timer of this.#timers.values()) if (timer.isActive) count++;
    return count;
  }

  stepClock(ms: number): void {
    this.#aheadMs += ms;
  }

  drift(rate: number): void {
    this.#monotonicThen = this.monotonic;
    this.#rateSince = this.#world.now;
    this.#rate = rate;
    this.#plan();
  }

  setTimer(run: () => void, delayMs: number, isRepeated: boolean): Timer {
    const timer = new Timer(run, delayMs, isRepeated, this.monotonic, (again) => {
      again.dueAt = this.monotonic + again.delayMs;
    });
    this.#timers.push(timer.dueAt, timer);
    this.#plan();
    return timer;
  }

  setImmediate(run: () => void): Immediate {
    const immediate = { run };
    this.#immediates.push(immediate);
    this.#plan();
    return immediate;
  }

  /** Something has come from outside. */
  arrive(run: () => void): void {
    if (!this.#isAlive) return;
    this.#arrived.push(run);
    this.#plan();
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#arrived = [];
    this.#immediates = [];
    for (const listener of this.#onEnd) listener();
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#plan();
  }

  #plan(): void {
    if (!this.#isAlive || this.#isFrozen) return;
    const { now } = this.#world;
    const isBusy = this.#arrived.length > 0 || this.#immediates.length > 0;
    const dueIn = (this.#timers.leastKey - this.monotonic) / this.#rate;
    const at = isBusy ? now + TURN_MS : now + Math.max(TURN_MS, dueIn);
    if (at >= this.#turnAt || at === Infinity) return;
    this.#turnAt = at;
    const planned = ++this.#planned;
    this.#world.at(at, () => {
      if (planned === this.#planned) this.#turn();
    });
  }

  #turn(): void {
    // Nothing else is planned until this turn is over.
    this.#turnAt = -Infinity;
    const now = this.monotonic;
    while (this.#isRunning() && this.#timers.leastKey <= now) {
      const timer = this.#timers.pop();
      if (!timer?.isActive) continue;
      if (timer.dueAt > now) {
        this.#timers.push(timer.dueAt, timer);
        continue;
      }
      if (timer.everyMs === undefined) timer.isActive = false;
      this.#world.runAs(this, timer.run);
      if (timer.isActive) {
        timer.dueAt = Math.max(timer.dueAt, now + 1);
        if (timer.everyMs !== undefined) timer.dueAt = now + timer.everyMs;
        this.#timers.push(timer.dueAt, timer);
      }
    }
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const [i, run] of arrived.entries()) {
      if (!this.#isRunning()) {
        this.#arrived.unshift(...arrived.slice(i));
        break;
      }
      this.#world.runAs(this, run);
    }
    const immediates = this.#isRunning() ? this.#immediates : [];
    if (this.#isRunning()) this.#immediates = [];
    for (const immediate of immediates) {
      const { run } = immediate;
      immediate.run = undefined;
      if (run && this.#isAlive) this.#world.runAs(this, run);
    }
    this.#turnAt = Infinity;
    this.#plan();
  }

  #isRunning(): boolean {
    return this.#isAlive && !this.#isFrozen;
  }
}
