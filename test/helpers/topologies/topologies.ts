import { startCluster } from "./cluster.js";
import type { Owner } from "./ends.js";
import { startWithSentinels } from "./sentinel.js";
import { startStandalone } from "./standalone.js";
import type { Topology, TopologyKind, TopologyOptions } from "./topology.js";

const STARTS: Record<TopologyKind, (owner: Owner, options: TopologyOptions) => Promise<Topology>> =
  {
    standalone: startStandalone,
    sentinel: startWithSentinels,
    cluster: startCluster,
  };

/** Starts a Redis of this kind on this machine, which ends with its owner. */
export function startTopology(
  owner: Owner,
  kind: TopologyKind,
  options: TopologyOptions = {},
): Promise<Topology> {
  return STARTS[kind](owner, options);
}
