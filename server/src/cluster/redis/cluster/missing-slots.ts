import { rangesOf } from "@inthon/emitter";
import { over, type Logger } from "../../../telemetry/log.js";

/** How often it is looked, in milliseconds. */
const LOOK_EVERY_MS = 1_000;
/** While a replica takes its master's place nobody has their slots: what is told of is left for longer, in milliseconds. */
const TOLD_AFTER_MS = 5_000;
const CODE = "redis_slots_missing";

/** Tells the log of slots that nobody serves: they have no master, or one that is dead and that nobody has replaced. */
export class MissingSlots {
  readonly #log: Logger;
  readonly #find: () => readonly number[];
  #timer: NodeJS.Timeout | undefined;
  #since: number | undefined;
  /** What has been told, as long as it is so. */
  #told = "";

  /** @param find - those that are missing now */
  constructor(log: Logger, find: () => readonly number[]) {
    this.#log = log;
    this.#find = find;
  }

  open(): void {
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const missing = this.#find();
    if (missing.length === 0) {
      if (this.#told !== "") this.#log.info(over({ code: CODE }), "each slot has a master again");
      this.#since = undefined;
      this.#told = "";
      return;
    }
    this.#since ??= performance.now();
    const slots = rangesOf(missing);
    if (performance.now() - this.#since < TOLD_AFTER_MS || slots === this.#told) return;
    this.#told = slots;
    const what =
      "slots of the Redis Cluster have no master that works: what is in them is refused until a master or a replica of it is back";
    this.#log.error({ code: CODE, slots, count: missing.length }, what);
  }
}
