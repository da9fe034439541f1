import {
  isClusterDown,
  isClusterPause,
  rangesOf,
  redirectionOf,
  slotOf,
  WAITED_KEY,
  type ClusterMaster,
  type ClusterTopology,
} from "@inthon/emitter";
import type { RedisLinks, Shard } from "../shards/links.js";
import type { OpenSlots } from "./open-slots.js";
import type { ShardedChannels } from "./sharded-channels.js";

/** What the links to a master have to do with the rest of its cluster. */
export interface ShardSurroundings {
  readonly topology: ClusterTopology;
  readonly openSlots: OpenSlots;
  readonly channels: ShardedChannels;
  /** Those to this master. */
  readonly links: () => RedisLinks;
  readonly onForgotten: () => void;
  /** What is known of its slots may be less than it was. */
  readonly onAnew: () => void;
}

/** A master of a cluster, as its links see it. */
export function shardOf(master: ClusterMaster, surroundings: ShardSurroundings): Shard {
  const { topology, openSlots, channels, links, onForgotten, onAnew } = surroundings;
  const { name } = master;
  const isIn = (key: string) => topology.masterOf(slotOf(key))?.name === name;
  const hasClosedOnes = () => {
    for (const slot of topology.slotsOf(master)) if (!openSlots.isOpen(slot)) return true;
    return false;
  };
  let incarnation: string | undefined;
  let waitedKey: string | undefined;
  return {
    name,
    describe: () => ({ slots: rangesOf(topology.slotsOf(master)) }),
    // In a slot that is on its way nothing can be tried: what takes several keys is refused there.
    has: (key) => isIn(key) && !(openSlots.isOpen(slotOf(key)) && hasClosedOnes()),
    slotOf,
    waitedKey: (isRefused) => {
      // Where it has moved, or is about to, another one is looked for.
      if (waitedKey === undefined || isRefused || !isIn(waitedKey)) {
        waitedKey = topology.keyAt(master, WAITED_KEY, waitedKey);
      }
      return waitedKey;
    },
    onAcknowledged: (acknowledged) => {
      channels.onAcknowledged(links(), acknowledged);
    },
    onRefused: (error) => {
      const to = redirectionOf(error, master);
      if (to?.kind === "MOVED") topology.moved(to.slot, to.address);
      // That one stays as long as the cluster is set so: it is told.
      return to !== undefined || (isClusterPause(error) && !isClusterDown(error));
    },
    isElsewhere: (error) => redirectionOf(error, master)?.kind === "MOVED",
    onLost: (channel) => {
      channels.onLost(links(), channel);
    },
    onIncarnation: (now) => {
      const isAnew = incarnation !== undefined && incarnation !== now;
      incarnation = now;
      if (isAnew) onAnew();
    },
    onForgotten: () => {
      onForgotten();
      onAnew();
    },
  };
}
