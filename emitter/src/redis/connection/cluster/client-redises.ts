import { roomChannel, type RoomName } from "../../../protocol/index.js";
import type { RedisCommands } from "../../publish-script.js";
import { RedisClock } from "../../redis-clock.js";
import type { RoomRedis, RoomRedises } from "../room-redis.js";
import { slotOf } from "./slots.js";
import { undoneWhereOnItsWay } from "./node-commands.js";

/** What is used of a cluster client of the `redis` package. It follows its cluster by itself. */
export interface ClusterClient extends RedisCommands {
  /** One of them is the same object as long as it is the same node. */
  readonly slots: readonly ({ readonly master: object } | undefined)[];
}

/** Whether a client is one of a cluster: `createCluster` makes them. */
export function isClusterClient(client: RedisCommands): client is ClusterClient {
  return "slots" in client && Array.isArray(client.slots);
}

/** The masters of somebody else's cluster client. Scripts are known to each of them, and not to the cluster. */
export class ClientRedises implements RoomRedises {
  readonly verb = "SPUBLISH";
  readonly waitsForReplicas = false;
  readonly #client: ClusterClient;
  readonly #nodes = new WeakMap<object, RoomRedis>();
  readonly #commands: RedisCommands;

  constructor(client: ClusterClient) {
    this.#client = client;
    this.#commands = {
      eval: (script, options) => client.eval(script, options).catch(undoneWhereOnItsWay),
      evalSha: (sha1, options) => client.evalSha(sha1, options).catch(undoneWhereOnItsWay),
    };
  }

  of(room: RoomName): () => RoomRedis | undefined {
    const slot = slotOf(roomChannel(room));
    return () => {
      const master = this.#client.slots[slot]?.master;
      return master && this.#at(master);
    };
  }

  #at(master: object): RoomRedis {
    let redis = this.#nodes.get(master);
    if (!redis) {
      redis = { commands: { ...this.#commands }, clock: new RedisClock(), replicas: undefined };
      this.#nodes.set(master, redis);
    }
    return redis;
  }
}
