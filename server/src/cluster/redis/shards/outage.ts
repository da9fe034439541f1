import type { Logger } from "../../../telemetry/log.js";
import { notReady } from "./refusals.js";

/** Causes that are told of one outage. */
const MAX_TOLD = 5;

/** Tells the log that Redis is away, once for each cause: who was cut off may then be denied, and that is what can be mended. */
export class Outage {
  readonly #log: Logger;
  readonly #purpose: string;
  readonly #told = new Set<string>();

  /** @param purpose - of the link, for the log */
  constructor(log: Logger, purpose: string) {
    this.#log = log;
    this.#purpose = purpose;
  }

  /** An attempt has failed. */
  readonly add = (error: Error): void => {
    const { code, message } = notReady(error);
    const kind = code === "unavailable" ? code : error.message;
    if (this.#told.has(kind) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(kind);
    const what = code === "unavailable" ? "Redis is away, reconnecting" : message;
    this.#log.error({ err: error, code, purpose: this.#purpose }, what);
  };

  end(): void {
    if (this.#told.size === 0) return;
    this.#told.clear();
    this.#log.info({ purpose: this.#purpose }, "Redis is back");
  }
}
