import { readEachHistory, readHistories, withRedis } from "../judge/history.js";
import type { Truth } from "../judge/truth.js";
import { Ends } from "../../helpers/topologies/ends.js";
import { startTopology } from "../../helpers/topologies/topologies.js";
import type { Ask, Topology, TopologyKind } from "../../helpers/topologies/topology.js";
import { Gate } from "./gate.js";
import { RedisHouse } from "./redis-house.js";
import { startReplicas, startReplicasOn, stopReplicas, type Served } from "./replicas.js";

export interface WorldOptions {
  readonly redis: TopologyKind;
  readonly replicas: number;
  readonly emitters: number;
  readonly historyLimit: number;
  /** The program of the replicas; by default the built server. */
  readonly main?: string;
  /** Added to the environment of the replicas. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine: (nodeId: string, line: string) => void;
}

/** One Redis, with an append-only file on every write, and the ways to it. */
export interface HouseSide {
  readonly kind: "house";
  readonly house: RedisHouse;
  /** Where each replica reaches it. */
  readonly replicaGates: readonly Gate[];
  /** Where each emitter does. */
  readonly emitterGates: readonly Gate[];
  /** Where the one whose messages are swallowed does. */
  readonly swallowingGate: Gate;
  /** All of these. */
  readonly gates: readonly Gate[];
}

/** A Redis of several nodes, each behind a gate, by which everybody but the judge reaches it. */
export interface TopologySide {
  readonly kind: "topology";
  readonly topology: Topology;
  readonly gates: readonly Gate[];
}

/** All processes of a run, and the ways between them. */
export interface World {
  readonly redis: HouseSide | TopologySide;
  readonly replicas: readonly Served[];
  readonly emitterUrls: readonly string[];
  /** Ends what still runs. */
  stop(): Promise<void>;
}

export async function startWorld(options: WorldOptions): Promise<World> {
  const owner = new Ends();
  const stop = () => owner.end();
  try {
    const started =
      options.redis === "standalone"
        ? await startHouse(owner, options)
        : await startNodes(owner, options, options.redis);
    return { ...started, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startHouse(owner: Ends, options: WorldOptions): Promise<Omit<World, "stop">> {
  const house = await RedisHouse.start("always");
  owner.teardown(() => house.stop());
  const redisPort = () => house.port;
  const open = async () => {
    const gate = await Gate.open(redisPort);
    owner.teardown(() => gate.close());
    return gate;
  };
  const replicas = await startReplicas({ ...options, count: options.replicas, redisPort });
  owner.teardown(() => stopReplicas(replicas));
  const swallowingGate = await open();
  const emitterGates = await Promise.all(Array.from({ length: options.emitters }, open));
  const replicaGates = replicas.map(({ gate }) => gate);
  const gates = [swallowingGate, ...emitterGates, ...replicaGates];
  return {
    redis: { kind: "house", house, replicaGates, emitterGates, swallowingGate, gates },
    replicas,
    emitterUrls: emitterGates.map(({ url }) => url),
  };
}

async function startNodes(
  owner: Ends,
  options: WorldOptions,
  kind: TopologyKind,
): Promise<Omit<World, "stop">> {
  const gates: Gate[] = [];
  const topology = await startTopology(owner, kind, {
    front: async (port) => {
      const gate = await Gate.open(port);
      owner.teardown(() => gate.close());
      gates.push(gate);
      return gate.port;
    },
  });
  const { url } = topology;
  const replicas = await startReplicasOn(url, { ...options, count: options.replicas });
  owner.teardown(() => stopReplicas(replicas));
  return {
    redis: { kind: "topology", topology, gates },
    replicas,
    emitterUrls: Array.from({ length: options.emitters }, () => url),
  };
}

/** Adds to the truth what the histories hold, past all gates. */
export async function lookAt(redis: World["redis"], truth: Truth): Promise<void> {
  if (redis.kind === "house") await readHistories(redis.house.url, truth, { kind: "look" });
  else await readEachHistory((key) => redis.topology.ownerOf(key), truth, { kind: "look" });
}

/** Does something with each node that lives, past all gates. */
export async function withNodes<T>(
  redis: World["redis"],
  work: (nodes: readonly Ask[]) => Promise<T>,
): Promise<T> {
  if (redis.kind === "topology") return work(redis.topology.nodes().map(({ ask }) => ask));
  return withRedis(redis.house.url, (client) => work([(...args) => client.sendCommand(args)]));
}

/** Sends each node a command. */
export async function commandAll(redis: World["redis"], args: readonly string[]): Promise<void> {
  if (redis.kind === "house") await redis.house.command(args);
  else await Promise.all(redis.topology.nodes().map(({ ask }) => ask(...args)));
}

/** @throws where there is none */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no number ${index}`);
  return item;
}
