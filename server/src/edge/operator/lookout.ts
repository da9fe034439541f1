import { setTimeout as delay } from "node:timers/promises";
import type { Board } from "../../cluster/ports.js";
import { within } from "../../cluster/retry.js";
import { unavailable } from "../http/routes/unavailable.js";
import { Overview } from "./overview.js";
import type { View } from "./view.js";

/** How often the cluster is looked at, once for all who do. */
const EVERY_MS = 2_000;
const PATIENCE_MS = 3_000;
/** What was seen before nobody looked is told of no more then. */
const FORGET_MS = 600_000;

/** Looks at the cluster as long as somebody views it here, and tells all of them. Nothing is done while nobody does. */
export class Lookout {
  readonly #board: Board;
  readonly #views = new Set<View>();
  readonly #closing: AbortSignal;
  #overview = new Overview();
  #newest: string | undefined;
  #endedAtMs = 0;
  #isLooking = false;
  #look: Promise<void> | undefined;

  constructor(board: Board, closing: AbortSignal) {
    this.#board = board;
    this.#closing = closing;
  }

  add(view: View): void {
    this.#views.add(view);
    if (this.#isLooking) {
      if (this.#newest !== undefined) view.write("overview", this.#newest);
      return;
    }
    if (performance.now() - this.#endedAtMs > FORGET_MS) this.#overview = new Overview();
    this.#overview.begin(performance.now());
    void this.#run();
  }

  delete(view: View): void {
    this.#views.delete(view);
  }

  /** Ends once nobody looks any more; never rejects. */
  async #run(): Promise<void> {
    this.#isLooking = true;
    while (this.#views.size > 0 && !this.#closing.aborted) {
      const next = delay(EVERY_MS, undefined, { signal: this.#closing }).catch(() => undefined);
      const text = JSON.stringify(this.#overview.show(EVERY_MS, await this.#trouble()));
      this.#newest = text;
      for (const view of this.#views) if (view.isReading()) view.write("overview", text);
      await next;
    }
    this.#isLooking = false;
    this.#newest = undefined;
    this.#endedAtMs = performance.now();
  }

  /** @returns why it could not be looked at, for programs */
  async #trouble(): Promise<string | undefined> {
    try {
      // One at a time: where Redis is slow, nothing gathers.
      this.#look ??= this.#board
        .look()
        .then((notices) => {
          this.#overview.add(notices, performance.now());
        })
        .finally(() => {
          this.#look = undefined;
        });
      await within(PATIENCE_MS, this.#look);
      return undefined;
    } catch (error) {
      return unavailable(error).problem.code;
    }
  }
}
