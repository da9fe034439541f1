import { setTimeout as delay } from "node:timers/promises";
import { readEachHistory } from "../judge/history.js";
import type { Truth } from "../judge/truth.js";
import { at, type TopologySide } from "../world/world.js";
import type { TopologyFault } from "./fault.js";

const KINDS = ["commands", "subscriptions"] as const;
/** Longer than Sentinels wait for an answer. */
const NOTICED_MS = 1_500;

/** What happens to a Redis of several nodes. One at a time. */
export class TopologyFaults {
  readonly #side: TopologySide;
  readonly #truth: Truth;

  constructor(side: TopologySide, truth: Truth) {
    this.#side = side;
    this.#truth = truth;
  }

  async make(fault: TopologyFault): Promise<void> {
    const { topology } = this.#side;
    switch (fault.kind) {
      case "primary killed":
        return this.#losing(async () => {
          await topology.kill((items) => at(items, fault.ms % items.length));
          await delay(fault.ms);
          await topology.revive();
        });
      case "failover planned":
        return topology.changes.planned?.();
      case "slots moved":
        return topology.changes.migrate?.();
      case "node hung":
        // Sentinels hang as well, and may have another one take its place.
        if (topology.kind === "sentinel") return this.#losing(() => this.#hang(fault));
        return this.#hang(fault);
    }
  }

  async #hang({ node, direction, ms }: Extract<TopologyFault, { kind: "node hung" }>) {
    const { gates, topology } = this.#side;
    const gate = at(gates, node % gates.length);
    for (const kind of KINDS) gate.hang(kind, direction);
    await delay(ms);
    for (const kind of KINDS) gate.heal(kind);
    // Links that are there hang on. Only who has missed answers on them for this long takes the node for dead.
    if (topology.kind === "sentinel") await delay(NOTICED_MS);
    await topology.settled();
  }

  /** Does what may cost events that no other node has: what is there then is all that there is. */
  async #losing(work: () => Promise<void>): Promise<void> {
    const { topology } = this.#side;
    const when = Date.now();
    await work();
    const reading = { kind: "rollback", at: when } as const;
    await readEachHistory((key) => topology.ownerOf(key), this.#truth, reading);
    this.#truth.losses.push({ at: when, back: Date.now() });
  }
}
