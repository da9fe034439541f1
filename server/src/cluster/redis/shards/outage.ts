import type { RedisPurpose } from "../../../telemetry/labels.js";
import { over, type Logger } from "../../../telemetry/log.js";
import { notReady } from "./refusals.js";

/** Causes that are told of one outage. */
const MAX_TOLD = 5;
/** More errors in each other there are not. */
const MAX_CAUSES = 3;

/** Who may fail: links to a Redis, or whoever asks how a cluster is. */
type Who = RedisPurpose | "topology";

/**
 * Tells the log that a Redis is away, once for each cause, whichever of the links to it found out: who was cut off may then be
 * denied, and that is what can be mended. And once when all of them work again.
 */
export class Outage {
  readonly #log: Logger;
  readonly #describe: () => object;
  readonly #told = new Set<string>();
  readonly #away = new Set<Who>();
  #since = 0;

  /** @param describe - more fields of each line: what is away, and what waits for it */
  constructor(log: Logger, describe: () => object = () => ({})) {
    this.#log = log;
    this.#describe = describe;
  }

  /** How long it has been away, in milliseconds; `undefined` where it is not. */
  get awayMs(): number | undefined {
    return this.#away.size === 0 ? undefined : Math.round(performance.now() - this.#since);
  }

  /** An attempt has failed. */
  add(purpose: Who, error: Error): void {
    if (this.#away.size === 0) this.#since = performance.now();
    this.#away.add(purpose);
    const { code, message } = notReady(error);
    const kind = code === "unavailable" ? code : error.message;
    if (this.#told.has(kind) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(kind);
    const what = code === "unavailable" ? "Redis is away, reconnecting" : message;
    this.#log.error({ code, purpose, why: whyOf(error), ...this.#describe() }, what);
  }

  /** This link works again. */
  end(purpose: Who): void {
    const { awayMs } = this;
    if (!this.#away.delete(purpose) || this.#away.size > 0) return;
    this.#told.clear();
    this.#log.info(over({ awayMs, ...this.#describe() }), "Redis is back");
  }
}

/** What an error of a Redis says, and those in it: where in our code it was met tells an operator nothing. */
export function whyOf(error: unknown): string {
  const words: string[] = [];
  let one = error;
  for (let i = 0; i < MAX_CAUSES && one instanceof Error; i++) {
    const { message, cause } = one;
    if (!words.some((said) => said.includes(message))) words.push(message);
    one = cause;
  }
  return words.join(": ");
}
