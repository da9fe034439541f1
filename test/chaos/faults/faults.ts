import { setTimeout as delay } from "node:timers/promises";
import {
  describe,
  isOfHouse,
  isOfTopology,
  targetOf,
  type Fault,
  type FaultKind,
} from "./fault.js";
import type { Truth } from "../judge/truth.js";
import type { Plan } from "../plan.js";
import type { Processes } from "./processes.js";
import { randomFrom } from "../random.js";
import { RedisFaults } from "./redis-faults.js";
import { TopologyFaults } from "./topology-faults.js";
import type { ChaosClient } from "../world/clients.js";
import { endInFirstPacket } from "../world/first-packets.js";
import { targetOf as addressOf, type Served } from "../world/replicas.js";
import { at, commandAll, type World } from "../world/world.js";

const READY_WITHIN_MS = 30_000;
const READY_PAUSE_MS = 50;

export interface FaultsOptions {
  readonly world: World;
  readonly truth: Truth;
  readonly processes: Processes;
  /** Those that have joined, by their number in the plan. */
  readonly clients: ReadonlyMap<number, ChaosClient>;
  readonly seed: number;
}

/** Carries out the plan's faults, and puts everything right at the end. */
export class Faults {
  readonly counts = new Map<FaultKind, number>();
  /** What was done and when, for whoever looks for a cause. */
  readonly log: string[] = [];
  /** Clients that came and ended in their first packet. */
  firstPackets = 0;
  readonly #options: FaultsOptions;
  readonly #house: RedisFaults | undefined;
  readonly #topology: TopologyFaults | undefined;
  readonly #underWay = new Set<Promise<void>>();
  /** What is being done to one thing: one fault after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: FaultsOptions) {
    this.#options = options;
    const { world, truth, processes } = options;
    const { redis } = world;
    if (redis.kind === "house") this.#house = new RedisFaults(redis, truth, processes);
    else this.#topology = new TopologyFaults(redis, truth);
    for (const { server } of world.replicas) processes.watch(server.nodeId, server);
  }

  /** Resolves after the last fault of the plan, when everything runs again. */
  async run(faults: Plan["faults"], endMs: number): Promise<void> {
    const { startedAt } = this.#options.truth;
    for (const { atMs, fault } of faults) {
      await delay(Math.max(0, startedAt + atMs - Date.now()));
      this.#begin(fault);
    }
    await delay(Math.max(0, startedAt + endMs - Date.now()));
    await Promise.all(this.#underWay);
    await this.#untilReady();
  }

  #begin(fault: Fault): void {
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#note(describe(fault));
    const target = targetOf(fault);
    const made = target === "" ? this.#make(fault) : this.#inTurn(target, () => this.#make(fault));
    const done = made
      .catch((error: unknown) => {
        this.#find(describe(fault), `could not be made: ${String(error)}`);
      })
      .finally(() => {
        this.#underWay.delete(done);
        if (target !== "") this.#note(`over: ${describe(fault)}`);
      });
    this.#underWay.add(done);
  }

  async #make(fault: Fault): Promise<void> {
    const { clients } = this.#options;
    if (isOfHouse(fault)) return this.#house?.make(fault);
    if (isOfTopology(fault)) return this.#topology?.make(fault);
    switch (fault.kind) {
      case "replica killed":
      case "replica stopped":
        return this.#restart(this.#replica(fault.replica), fault.kind, fault.ms);
      case "replica frozen": {
        const { server } = this.#replica(fault.replica);
        server.pause();
        await delay(fault.ms);
        server.resume();
        return;
      }
      case "subscribers cut":
        return this.#command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      case "commands cut":
        return this.#command(["CLIENT", "KILL", "TYPE", "normal"]);
      case "clients cut off":
        for (const index of fault.clients) clients.get(index)?.cut(fault.cut, fault.ms);
        return;
      case "clients ended in their first packet":
        return this.#endInFirstPacket(fault.replica, fault.count);
    }
  }

  async #restart(
    { server }: Served,
    kind: "replica killed" | "replica stopped",
    ms: number,
  ): Promise<void> {
    const { processes } = this.#options;
    processes.doom(server);
    if (kind === "replica killed") server.kill("SIGKILL");
    else processes.judgeEnd(server.nodeId, server, await server.stop());
    await delay(ms);
    await server.restart();
    processes.watch(server.nodeId, server);
  }

  async #endInFirstPacket(replica: number, count: number): Promise<void> {
    const before = this.firstPackets;
    this.firstPackets += count;
    const session = (index: number) => `first-packet-${before + index}`;
    const random = randomFrom(this.#options.seed + before);
    await endInFirstPacket(addressOf(this.#replica(replica)), count, session, random);
  }

  async #inTurn(target: string, make: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(target) ?? Promise.resolve()).then(make);
    this.#turns.set(
      target,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** Where Redis is away just then, there is nothing to break. */
  async #command(args: readonly string[]): Promise<void> {
    try {
      await commandAll(this.#options.world.redis, args);
    } catch (error) {
      this.#note(`${args.join(" ")} had no effect: ${String(error)}`);
    }
  }

  async #untilReady(): Promise<void> {
    const giveUpAt = Date.now() + READY_WITHIN_MS;
    for (const { server } of this.#options.world.replicas) {
      while (!(await isReady(server.url))) {
        if (Date.now() > giveUpAt) {
          const after = `${READY_WITHIN_MS / 1_000} s after the last fault`;
          this.#find(server.nodeId, `is not ready ${after}`);
          break;
        }
        await delay(READY_PAUSE_MS);
      }
    }
  }

  #replica(index: number): Served {
    return at(this.#options.world.replicas, index);
  }

  #find(whose: string, what: string): void {
    this.#options.truth.findings.add("broken", 1, whose, what);
  }

  #note(what: string): void {
    this.log.push(`${this.#options.truth.clock()}  ${what}`);
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const init = { headers: { connection: "close" }, signal: AbortSignal.timeout(2_000) };
    return (await fetch(`${url}/readyz`, init)).ok;
  } catch {
    return false;
  }
}
