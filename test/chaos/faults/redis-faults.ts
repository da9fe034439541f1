import { setTimeout as delay } from "node:timers/promises";
import type { HouseFault, ReadOnly } from "./fault.js";
import { readHistories } from "../judge/history.js";
import type { Processes } from "./processes.js";
import type { Truth } from "../judge/truth.js";
import { comeBackOlder, type RollbackScene } from "./rollback.js";
import type { Gate, LinkKind } from "../world/gate.js";
import { at, type HouseSide } from "../world/world.js";

/** Half of the time of {@link RedisFaults.slow}'s round trip, in milliseconds. */
const SLOW_MS = 10;
/** Nobody listens there. */
const NO_PRIMARY = ["127.0.0.1", "1"];

/** What happens to a Redis that is alone, and to the ways to it. */
export class RedisFaults {
  readonly #side: HouseSide;
  readonly #scene: RollbackScene;
  readonly #processes: Processes;

  constructor(side: HouseSide, truth: Truth, processes: Processes) {
    this.#side = side;
    this.#scene = { ...side, truth };
    this.#processes = processes;
    side.house.onStart((server) => {
      processes.watch("Redis", server);
    });
  }

  async make(fault: HouseFault): Promise<void> {
    const { replicaGates, emitterGates } = this.#side;
    switch (fault.kind) {
      case "subscriptions hung":
        return hang(at(replicaGates, fault.replica), "subscriptions", fault);
      case "commands hung":
        return hang(at(replicaGates, fault.replica), "commands", fault);
      case "publisher hung":
        return hang(at(emitterGates, fault.publisher), "commands", fault);
      case "Redis killed":
        return this.#kill(fault.ms);
      case "Redis frozen":
        return this.#freeze(fault.ms);
      case "Redis slow":
        return this.#slow(fault.ms);
      case "Redis full":
        return this.#fill(fault.ms);
      case "Redis read-only":
        return this.#refuseWrites(fault.how, fault.ms);
      case "Redis back from a snapshot":
        return this.#restoreSnapshot(fault.behindMs, fault.ms);
      case "Redis replaced by a stale replica":
        return this.#promoteStandby(fault.behindMs, fault.ms);
      case "Redis restarted without its file":
        return this.#restartEmpty(fault.ms);
      case "Redis flushed":
        return this.#flush();
    }
  }

  /** Comes back with all that it had. */
  async #kill(ms: number): Promise<void> {
    const { house } = this.#scene;
    this.#processes.doom(house.server);
    await house.server.end("SIGKILL");
    await delay(ms);
    await house.restart();
  }

  async #freeze(ms: number): Promise<void> {
    const { server } = this.#scene.house;
    server.pause();
    await delay(ms);
    server.resume();
  }

  /** A round trip takes 20 ms more. */
  async #slow(ms: number): Promise<void> {
    for (const gate of this.#scene.gates) gate.delay(SLOW_MS);
    await delay(ms);
    for (const gate of this.#scene.gates) gate.delay(0);
  }

  /** It may not take any memory: nothing can be written that needs some. */
  async #fill(ms: number): Promise<void> {
    const { house } = this.#scene;
    await house.command(["CONFIG", "SET", "maxmemory", "1mb"]);
    await delay(ms);
    await house.command(["CONFIG", "SET", "maxmemory", "0"]);
  }

  async #refuseWrites(how: ReadOnly, ms: number): Promise<void> {
    const { house } = this.#scene;
    switch (how) {
      case "as a replica":
        await house.command(["REPLICAOF", ...NO_PRIMARY]);
        await delay(ms);
        await house.command(["REPLICAOF", "NO", "ONE"]);
        break;
      case "for want of replicas":
        await house.command(["CONFIG", "SET", "min-replicas-to-write", "1"]);
        await delay(ms);
        await house.command(["CONFIG", "SET", "min-replicas-to-write", "0"]);
        break;
    }
  }

  async #restoreSnapshot(behindMs: number, ms: number): Promise<void> {
    const { house } = this.#scene;
    await house.takeSnapshot();
    await delay(behindMs);
    this.#processes.doom(house.server);
    await comeBackOlder(this.#scene, ms, () => house.restartFromSnapshot());
  }

  async #promoteStandby(behindMs: number, ms: number): Promise<void> {
    const { house } = this.#scene;
    const { promote } = await house.startStandby();
    await delay(behindMs);
    this.#processes.doom(house.server);
    await comeBackOlder(this.#scene, ms, promote);
  }

  async #restartEmpty(ms: number): Promise<void> {
    const { house } = this.#scene;
    this.#processes.doom(house.server);
    await comeBackOlder(this.#scene, ms, () => house.restartEmpty());
  }

  /** @throws where it is not answered: whether it has forgotten is then not known */
  async #flush(): Promise<void> {
    const { house, truth } = this.#scene;
    const at = await readHistories(house.url, truth, { kind: "flush" });
    truth.losses.push({ at, back: at });
  }
}

async function hang(
  gate: Gate,
  kind: LinkKind,
  { direction, ms }: Extract<HouseFault, { readonly direction: unknown }>,
): Promise<void> {
  gate.hang(kind, direction);
  await delay(ms);
  gate.heal(kind);
}
