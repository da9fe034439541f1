import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openFiles } from "../../helpers/open-files.js";
import { residentMiB } from "../../helpers/process-cost.js";
import { startCluster, type Cluster } from "../../helpers/processes/cluster.js";
import { Launched, type Exit } from "../../helpers/processes/server-process.js";
import type { Attack } from "./attacks.js";
import type { Seen } from "./good-class.js";

export interface HostileOptions {
  readonly seconds: number;
  /** Well-behaved clients. */
  readonly clients: number;
  /** The program of the replica; by default the built server. */
  readonly main?: string;
}

/** How one attack went. */
export interface Outcome {
  readonly isAlive: boolean;
  /** Resident memory of the replica in MiB: before the attack, and then ten times during it. */
  readonly memoryMiB: readonly number[];
  readonly quiet: Seen;
  readonly during: Seen;
  /** Descriptors of the replica before the attack, and after it. */
  readonly descriptors: readonly [number, number];
  /** Keys of Redis before the attack, and after it. */
  readonly keys: readonly [number, number];
}

/** What the replica may keep: with it, what anyone holds is soon too much. */
const HEAP_MIB = 256;
const SAMPLES = 10;
const QUIET_SHARE = 0.4;
/** How long what an attacker left may take to go. */
const AFTERMATH_MS = 3_000;
const JOIN_TIMEOUT_MS = 60_000;

const programOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Runs one attack on a replica of its own, beside a class that behaves well. */
export async function runAttack(attack: Attack, options: HostileOptions): Promise<Outcome> {
  const { seconds, clients, main } = options;
  const cluster = await startCluster({
    replicas: 1,
    env: {
      NODE_OPTIONS: `--max-old-space-size=${String(HEAP_MIB)}`,
      ...attack.env,
    },
    ...(main !== undefined && { main }),
  });
  const stoppable: { stop(): Promise<unknown> }[] = [];
  try {
    const [replica] = cluster.replicas;
    if (!replica) throw new Error("no replica");
    const good = new GoodClass();
    await good.start([replica.url, cluster.redisUrl, String(clients)]);
    stoppable.unshift(good);
    let end: Exit | undefined;
    void replica.exited.then((exit) => (end = exit));
    const isOver = () => end !== undefined;
    const { pid } = replica;
    // Code that is run for the first time is slow.
    await pause(seconds * 1_000 * QUIET_SHARE);
    await good.ask();
    await pause(seconds * 1_000 * QUIET_SHARE);
    const quiet = await good.ask();
    const before = { files: openFiles(pid), keys: await countKeys(cluster) };
    const memoryMiB = [await residentMiB(pid)];
    // Below everybody else: it is the replica's time that it is to take, not the processors'.
    const attacker = await Launched.start(
      process.execPath,
      ["--import=tsx", programOf("attacker.ts"), attack.name, replica.url],
      { launcher: ["chrt", "--idle", "0"] },
    );
    stoppable.unshift(attacker);
    for (let sample = 0; sample < SAMPLES && !isOver(); sample++) {
      await pause((seconds * 1_000) / SAMPLES);
      if (!isOver()) memoryMiB.push(await residentMiB(pid));
    }
    const during = await good.ask();
    attacker.kill("SIGKILL");
    await attacker.exited;
    await pause(AFTERMATH_MS);
    const files = isOver() ? 0 : openFiles(pid);
    return {
      isAlive: !isOver(),
      memoryMiB,
      quiet,
      during,
      descriptors: [before.files, files],
      keys: [before.keys, await countKeys(cluster)],
    };
  } finally {
    for (const it of stoppable) await it.stop();
    // A replica that has died has said so already.
    await cluster.stop().catch(() => undefined);
  }
}

/** The process of the class, and the questions to it. */
class GoodClass {
  #process: Launched | undefined;
  #answer: (message: unknown) => void = () => undefined;

  async start(args: readonly string[]): Promise<void> {
    const joined = this.#next(JOIN_TIMEOUT_MS);
    const program = ["--import=tsx", programOf("good-class.ts"), ...args];
    this.#process = await Launched.start(process.execPath, program, {
      onMessage: (message) => {
        this.#answer(message);
      },
    });
    await joined;
  }

  /** What it has seen since it was asked last. */
  async ask(): Promise<Seen> {
    const answer = this.#next(JOIN_TIMEOUT_MS);
    this.#process?.send({});
    return (await answer) as Seen;
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  #next(timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error("the class of well-behaved clients does not answer"));
      }, timeoutMs);
      this.#answer = (message) => {
        clearTimeout(timer);
        resolve(message);
      };
    });
  }
}

async function countKeys(cluster: Cluster): Promise<number> {
  const { createClient } = await import("redis");
  const admin = createClient({ url: cluster.redisUrl });
  admin.on("error", () => undefined);
  await admin.connect();
  const keys = await admin.dbSize();
  admin.destroy();
  return keys;
}
