import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import {
  isClusterPause,
  isSplit,
  redirectionOf,
  slotOf,
  type ClusterMaster,
  type ClusterTopology,
  type Link,
  type RedisClient,
} from "@inthon/emitter";
import type { Sending } from "../shards/shards.js";

/** Slots that move, one after the other, and all at once: more than that in one command is no cluster that works. */
const MAX_MOVES = 5;
/** A slot whose keys are on their way is between two nodes for as long as that takes. */
const MAX_PAUSES = 20;
const PAUSE_MS = 50;

/** What is used of a {@link Link}. */
type CommandLink = Pick<Link, "client" | "isNew">;

/** Where commands go. */
interface NodeLinks {
  /** That of a master that there are links to. */
  to(master: ClusterMaster): CommandLink | undefined;
  /** That of a node that an ASK has named: it may have no slot yet. */
  toGuest(node: ClusterMaster): CommandLink | undefined;
}

/** Nobody has a slot: it may be told to who asks, as what Redis says. */
class NobodyHasSlot extends Error {
  override readonly name = "NobodyHasSlot";

  constructor(slot: number) {
    super(`no master of the Redis Cluster has slot ${String(slot)}`);
  }
}

/** Sends commands to where their keys are, also while these move. */
export class ClusterCommands {
  readonly #topology: ClusterTopology;
  readonly #links: NodeLinks;
  readonly #closing = new AbortController();

  constructor(topology: ClusterTopology, links: NodeLinks) {
    this.#topology = topology;
    this.#links = links;
    // As many as there are commands that wait.
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * @param command - called again where the key has moved: sends one command, at once
   * @throws what the last attempt failed by
   */
  async run<T>(
    key: string,
    command: (client: RedisClient) => Promise<T>,
    { canSplit = false }: Sending = {},
  ): Promise<T> {
    const slot = slotOf(key);
    let asked: ClusterMaster | undefined;
    for (let moves = 0, pauses = 0; ;) {
      const isAsking = asked !== undefined;
      const node: ClusterMaster | undefined = asked ?? this.#topology.masterOf(slot);
      const link = node && (isAsking ? this.#links.toGuest(node) : this.#links.to(node));
      if (!node || !link) throw new NobodyHasSlot(slot);
      asked = undefined;
      const { client } = link;
      // One that has just taken over is reached in a moment.
      if (link.isNew && !client.isReady && ++pauses <= MAX_PAUSES) {
        await this.#pause();
        continue;
      }
      try {
        // In one turn, so that they go out together.
        if (isAsking) client.sendCommand(["ASKING"]).catch(() => undefined);
        return await command(client);
      } catch (error) {
        if (canSplit && isSplit(error)) throw error;
        const to = redirectionOf(error, node);
        if (to?.kind === "MOVED") {
          if (!isAsking) this.#topology.moved(to.slot, to.address);
          if (++moves > MAX_MOVES) throw error;
          continue;
        }
        if (to) {
          if (++moves > MAX_MOVES) throw error;
          asked = this.#topology.nodeAt(to.address);
          continue;
        }
        if (!isClusterPause(error) || ++pauses > MAX_PAUSES) throw error;
      }
      await this.#pause();
    }
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closing.abort(new Error("the server is closing"));
  }

  #pause(): Promise<void> {
    return delay(PAUSE_MS, undefined, { signal: this.#closing.signal });
  }
}
