import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "../helpers/processes/cluster.js";
import type { RedisServer } from "../helpers/processes/redis-server.js";
import type { ServerProcess } from "../helpers/processes/server-process.js";
import type { ChaosClient } from "./world/clients.js";
import { readHistories, withRedis } from "./judge/history.js";
import type { Fault, FaultKind, Plan } from "./plan.js";
import type { Truth } from "./judge/truth.js";

const READY_WITHIN_MS = 30_000;
const READY_PAUSE_MS = 50;

export interface FaultsOptions {
  readonly cluster: Cluster;
  /** Where Redis keeps its file. */
  readonly redisDir: string;
  readonly truth: Truth;
  /** Those that have joined, by their number in the plan. */
  readonly clients: ReadonlyMap<number, ChaosClient>;
}

/** Carries out the plan's faults, and puts everything right at the end. */
export class Faults {
  readonly counts = new Map<FaultKind, number>();
  /** What was done and when, for whoever looks for a cause. */
  readonly log: string[] = [];
  readonly #options: FaultsOptions;
  readonly #underWay = new Set<Promise<void>>();
  /** What is being done to a process: one thing after the other. */
  readonly #turns = new Map<ServerProcess | RedisServer, Promise<void>>();
  /** Processes that end because they are told to. */
  readonly #doomed = new Set<ServerProcess | RedisServer>();
  readonly #isClosing = new AbortController();

  constructor(options: FaultsOptions) {
    this.#options = options;
    for (const replica of options.cluster.replicas) this.#watch(replica.nodeId, replica);
    this.#watch("Redis", options.cluster.redis);
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

  /** From now on processes may end. */
  close(): void {
    this.#isClosing.abort();
  }

  #begin(fault: Fault): void {
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#note(describe(fault));
    const done = this.#make(fault)
      .catch((error: unknown) => {
        this.#find(describe(fault), `could not be made: ${String(error)}`);
      })
      .finally(() => {
        this.#underWay.delete(done);
        if ("ms" in fault && fault.kind !== "clients cut off") {
          this.#note(`over: ${describe(fault)}`);
        }
      });
    this.#underWay.add(done);
  }

  async #make(fault: Fault): Promise<void> {
    const { cluster, clients, truth } = this.#options;
    switch (fault.kind) {
      case "replica killed": {
        const replica = cluster.replica(fault.replica);
        await this.#restart(replica.nodeId, replica, fault.ms);
        break;
      }
      case "replica frozen":
        await this.#freeze(cluster.replica(fault.replica), fault.ms);
        break;
      case "Redis killed":
        await this.#restart("Redis", cluster.redis, fault.ms);
        break;
      case "Redis frozen":
        await this.#freeze(cluster.redis, fault.ms);
        break;
      case "subscribers cut":
        await this.#command(["CLIENT", "KILL", "TYPE", "pubsub"]);
        break;
      case "commands cut":
        await this.#command(["CLIENT", "KILL", "TYPE", "normal"]);
        break;
      case "clients cut off":
        for (const index of fault.clients) clients.get(index)?.cut(fault.cut, fault.ms);
        break;
      case "Redis flushed":
        await this.#inTurn(cluster.redis, () => this.#flush());
        break;
      case "Redis restarted without its file": {
        let at = Date.now();
        await this.#restart("Redis", cluster.redis, fault.ms, {
          // For the judgement: afterwards nobody can be asked.
          before: () =>
            readHistories(cluster.redisUrl, truth, { kind: "look" }).catch(() => undefined),
          whileDown: async () => {
            const file = join(this.#options.redisDir, "appendonlydir");
            await rm(file, { recursive: true, force: true });
            at = Date.now();
          },
        });
        const back = Date.now();
        for (const room of truth.rooms) room.read([], { kind: "rollback", at });
        truth.losses.push({ at, back });
        break;
      }
    }
  }

  #restart(
    name: string,
    process: ServerProcess | RedisServer,
    downMs: number,
    also: { before?: () => Promise<unknown>; whileDown?: () => Promise<void> } = {},
  ): Promise<void> {
    return this.#inTurn(process, async () => {
      await also.before?.();
      this.#doomed.add(process);
      process.kill("SIGKILL");
      await process.exited;
      await also.whileDown?.();
      await delay(downMs);
      await process.restart();
      this.#doomed.delete(process);
      this.#watch(name, process);
    });
  }

  #freeze(process: ServerProcess | RedisServer, ms: number): Promise<void> {
    return this.#inTurn(process, async () => {
      process.pause();
      await delay(ms);
      process.resume();
    });
  }

  #inTurn(process: ServerProcess | RedisServer, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(process) ?? Promise.resolve()).then(work);
    this.#turns.set(
      process,
      turn.catch(() => undefined),
    );
    return turn;
  }

  async #flush(): Promise<void> {
    const { cluster, truth } = this.#options;
    let at = Date.now();
    try {
      at = await readHistories(cluster.redisUrl, truth, { kind: "flush" });
    } catch (error) {
      // Whether it has forgotten is not known: a client that is told so is believed.
      this.#note(`FLUSHALL was not answered: ${String(error)}`);
    }
    truth.losses.push({ at, back: at });
  }

  /** One command over a connection of its own; where Redis is away just then, there is nothing to break. */
  async #command(args: readonly string[]): Promise<void> {
    try {
      await withRedis(this.#options.cluster.redisUrl, (client) => client.sendCommand(args));
    } catch (error) {
      this.#note(`${args.join(" ")} had no effect: ${String(error)}`);
    }
  }

  #watch(name: string, process: ServerProcess | RedisServer): void {
    const { exited } = process;
    void exited.then(({ code, signal }) => {
      if (this.#isClosing.signal.aborted || this.#doomed.has(process)) return;
      const output = process.output().split("\n").slice(-20).join("\n");
      this.#find(name, `ended by itself: ${signal ?? `exit code ${code}`}\n${output}`);
    });
  }

  async #untilReady(): Promise<void> {
    const giveUpAt = Date.now() + READY_WITHIN_MS;
    for (const { nodeId, url } of this.#options.cluster.replicas) {
      while (!(await isReady(url))) {
        if (Date.now() > giveUpAt) {
          this.#find(nodeId, `is not ready ${READY_WITHIN_MS / 1_000} s after the last fault`);
          break;
        }
        await delay(READY_PAUSE_MS);
      }
    }
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
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

function describe(fault: Fault): string {
  switch (fault.kind) {
    case "replica killed":
    case "replica frozen":
      return `replica-${fault.replica + 1} ${fault.kind.slice("replica ".length)} for ${fault.ms} ms`;
    case "clients cut off":
      return `${fault.clients.length} clients cut off: ${fault.cut}`;
    case "Redis killed":
    case "Redis frozen":
    case "Redis restarted without its file":
      return `${fault.kind}, ${fault.ms} ms`;
    case "subscribers cut":
    case "commands cut":
    case "Redis flushed":
      return fault.kind;
  }
}
