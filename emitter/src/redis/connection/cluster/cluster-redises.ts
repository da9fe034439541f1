import { roomChannel, type RoomName } from "../../../protocol/index.js";
import { OwnRedis, type OwnRedisOptions } from "../own-redis.js";
import { WAITED_KEY } from "../../replicas.js";
import type { RoomRedis, RoomRedises } from "../room-redis.js";
import { nodeCommands, type OtherNodes } from "./node-commands.js";
import { SLOTS, slotOf } from "./slots.js";
import type { ClusterMaster, ClusterTopology } from "./topology.js";

/** How long a link to a node without slots outlives its last use, in milliseconds, where others have gone meanwhile. */
const GUEST_MS = 30_000;

/** Links of an emitter's own to each master of a cluster: opened and closed as the topology says. */
export class ClusterRedises implements RoomRedises {
  readonly name: string;
  readonly verb = "SPUBLISH";
  readonly waitsForReplicas: boolean;
  readonly #topology: ClusterTopology;
  readonly #options: OwnRedisOptions;
  readonly #nodes = new Map<ClusterMaster, NodeRedis>();
  readonly #closing = new Set<Promise<void>>();
  readonly #changeListeners: (() => void)[] = [];
  readonly #errorListeners: ((error: Error) => void)[] = [];
  #isClosed = false;

  /** @param topology - opened and closed with it */
  constructor(topology: ClusterTopology, options: OwnRedisOptions) {
    this.name = topology.name;
    this.waitsForReplicas = options.waitReplicas > 0;
    this.#topology = topology;
    this.#options = options;
    topology.onError((error) => {
      options.onError?.(error);
      // One that refuses, where others answer, or may yet, need not be asked.
      if (topology.hasFailed) this.#tell(error);
    });
    topology.onChange(() => {
      this.#follow();
    });
  }

  of(room: RoomName): () => RoomRedis | undefined {
    const slot = slotOf(roomChannel(room));
    return () => {
      const master = this.#topology.masterOf(slot);
      return master && this.#at(master);
    };
  }

  /** Why not every slot's master can be asked; `undefined` where each can. */
  get trouble(): Error | undefined {
    const { trouble, unassigned } = this.#topology;
    if (trouble) return trouble;
    if (unassigned > 0) {
      return new Error(`${String(unassigned)} of its ${String(SLOTS)} slots have no master`);
    }
    for (const master of this.#topology.masters()) {
      const problem = this.#at(master).trouble;
      if (problem) return this.#named(master, problem);
    }
    return undefined;
  }

  /**
   * Whether rooms can be published to: it is known who has which slot, every master has answered or failed to, and one of them
   * works at least. One that is away is so for its own rooms, as it is when it goes later.
   */
  get isUsable(): boolean {
    const { trouble, unassigned } = this.#topology;
    if (trouble || unassigned > 0) return false;
    const redises = [...this.#topology.masters()].map((master) => this.#at(master));
    return (
      redises.every(({ isTried }) => isTried) && redises.some((one) => one.trouble === undefined)
    );
  }

  open(): void {
    this.#topology.open();
  }

  onChange(listener: () => void): void {
    this.#changeListeners.push(listener);
  }

  onError(listener: (error: Error) => void): void {
    this.#errorListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const links = [...this.#nodes.values()].map((redis) => redis.close());
    await Promise.all([this.#topology.close(), ...links, ...this.#closing]);
  }

  #at(master: ClusterMaster): NodeRedis {
    const known = this.#nodes.get(master);
    if (known) return known;
    const others: OtherNodes = {
      topology: this.#topology,
      guest: (address) => {
        const node = this.#topology.nodeAt(address);
        const redis = this.#at(node);
        redis.usedAt = performance.now();
        return { node, link: redis.link };
      },
    };
    let key: string | undefined;
    const waitedKey = (isRefused: boolean) => {
      // Where it has moved, or is about to, another one is looked for.
      const isHere = key !== undefined && this.#topology.masterOf(slotOf(key)) === master;
      if (!isHere || isRefused) key = this.#topology.keyAt(master, WAITED_KEY, key);
      return key ?? WAITED_KEY;
    };
    const onError = (error: Error) => {
      this.#options.onError?.(this.#named(master, error));
      this.#tell(error);
    };
    const redis = new NodeRedis(master, { ...this.#options, waitedKey, onError }, others);
    redis.onChange(() => {
      this.#changed();
    });
    this.#nodes.set(master, redis);
    if (!this.#isClosed) redis.open();
    return redis;
  }

  #follow(): void {
    const masters = new Set(this.#topology.masters());
    for (const master of masters) this.#at(master);
    const since = performance.now() - GUEST_MS;
    for (const [node, redis] of this.#nodes) {
      if (masters.has(node) || redis.usedAt > since) continue;
      this.#nodes.delete(node);
      const closed = redis.close().finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    }
    this.#changed();
  }

  #named(master: ClusterMaster, cause: Error): Error {
    return new Error(`${this.#topology.describe(master)}: ${cause.message}`, { cause });
  }

  #tell(error: Error): void {
    for (const listener of this.#errorListeners) listener(error);
  }

  #changed(): void {
    for (const listener of this.#changeListeners) listener();
  }
}

/** One master of a cluster, or one that slots are on their way to. */
class NodeRedis extends OwnRedis {
  override readonly commands;
  /** When an ASK has led to it. */
  usedAt = -Infinity;

  constructor(node: ClusterMaster, options: OwnRedisOptions, others: OtherNodes) {
    super(node.route, options);
    this.commands = nodeCommands(this.link, node, others);
  }
}
