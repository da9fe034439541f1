import { startCluster } from "./cluster.js";
import type { Owner } from "./ends.js";
import { startWithSentinels } from "./sentinel.js";
import { startStandalone } from "./standalone.js";
import type { Topology, TopologyKind } from "./topology.js";

const STARTS: Record<TopologyKind, (owner: Owner) => Promise<Topology>> = {
  standalone: startStandalone,
  sentinel: startWithSentinels,
  cluster: startCluster,
};

/** Starts a Redis of this kind on this machine, which ends with its owner. */
export function startTopology(owner: Owner, kind: TopologyKind): Promise<Topology> {
  return STARTS[kind](owner);
}
