import { Gate } from "./gate.js";
import { RedisHouse } from "./redis-house.js";
import { startReplicas, stopReplicas, type Replica } from "./replicas.js";

export interface WorldOptions {
  readonly replicas: number;
  readonly emitters: number;
  readonly historyLimit: number;
  /** The program of the replicas; by default the built server. */
  readonly main?: string;
  /** Added to the environment of the replicas. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine: (nodeId: string, line: string) => void;
}

/** All processes of a run, and the ways between them. */
export interface World {
  /** Redis, with an append-only file on every write. */
  readonly house: RedisHouse;
  readonly replicas: readonly Replica[];
  /** Where each emitter reaches Redis. */
  readonly emitterGates: readonly Gate[];
  /** Where the one whose messages are swallowed does. */
  readonly swallowingGate: Gate;
  /** All of these, and those of the replicas. */
  readonly gates: readonly Gate[];
  /** Ends what still runs. */
  stop(): Promise<void>;
}

export async function startWorld(options: WorldOptions): Promise<World> {
  const house = await RedisHouse.start("always");
  let replicas: readonly Replica[] = [];
  const ownGates: Gate[] = [];
  const stop = async () => {
    await stopReplicas(replicas);
    await Promise.all(ownGates.map((gate) => gate.close()));
    await house.stop();
  };
  try {
    const redisPort = () => house.port;
    const { replicas: count, historyLimit, main, env, onLine } = options;
    replicas = await startReplicas({
      count,
      redisPort,
      historyLimit,
      onLine,
      ...(main !== undefined && { main }),
      ...(env && { env }),
    });
    const swallowingGate = await Gate.open(redisPort);
    ownGates.push(swallowingGate);
    for (let i = 0; i < options.emitters; i++) ownGates.push(await Gate.open(redisPort));
    return {
      house,
      replicas,
      emitterGates: ownGates.slice(1),
      swallowingGate,
      gates: [...ownGates, ...replicas.map(({ gate }) => gate)],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
