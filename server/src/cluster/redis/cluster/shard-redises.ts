import {
  Link,
  nodeCommands,
  slotOf,
  type ClusterMaster,
  type ClusterTopology,
  type OtherNodes,
  type RoomRedis,
  type RoomRedises,
} from "@inthon/emitter";
import { roomChannel, type RoomName } from "@inthon/emitter/protocol";
import type { RedisLinks } from "../shards/links.js";

/** Where rooms are published to, by links that are there for all else as well. */
export class ShardRedises implements RoomRedises {
  readonly verb = "SPUBLISH";
  readonly waitsForReplicas: boolean;
  readonly #topology: ClusterTopology;
  readonly #linksTo: (master: ClusterMaster) => RedisLinks | undefined;
  readonly #redises = new WeakMap<RedisLinks, RoomRedis>();

  constructor(
    topology: ClusterTopology,
    linksTo: (master: ClusterMaster) => RedisLinks | undefined,
    waitReplicas: number,
  ) {
    this.#topology = topology;
    this.#linksTo = linksTo;
    this.waitsForReplicas = waitReplicas > 0;
  }

  of(room: RoomName): () => RoomRedis | undefined {
    const slot = slotOf(roomChannel(room));
    return () => {
      const master = this.#topology.masterOf(slot);
      const links = master && this.#linksTo(master);
      return links && (this.#redises.get(links) ?? this.#make(links, master));
    };
  }

  #make(links: RedisLinks, master: ClusterMaster): RoomRedis {
    const others: OtherNodes = {
      topology: this.#topology,
      guest: (address) => {
        const node = this.#topology.nodeAt(address);
        // There is no link to one that has no slots yet: what is sent on to it waits until it has this one.
        return { node, link: this.#linksTo(node)?.commands ?? closedLink(node) };
      },
    };
    const { clock, replicas } = links;
    const redis = { commands: nodeCommands(links.commands, master, others), clock, replicas };
    this.#redises.set(links, redis);
    return redis;
  }
}

function closedLink({ route }: ClusterMaster): Link {
  return new Link(route, { timeoutMs: 1_000, prove: () => Promise.resolve() });
}
