import {
  isClusterPause,
  redirectionOf,
  SLOTS,
  slotOf,
  WAITED_KEY,
  type ClusterMaster,
  type ClusterTopology,
  type RedisClient,
  type RedisClock,
  type RoomRedises,
  type TopologyChange,
} from "@inthon/emitter";
import { NotReady } from "../../not-ready.js";
import type { RedisPurpose } from "../../../telemetry/labels.js";
import type { MessageListener } from "../shards/channel-subscriptions.js";
import { RedisLinks, type LinksOptions } from "../shards/links.js";
import { Outage } from "../shards/outage.js";
import { notReady } from "../shards/refusals.js";
import type { HearingListener, Shards } from "../shards/shards.js";
import { ClusterCommands } from "./commands.js";
import { ShardRedises } from "./shard-redises.js";
import { ShardedChannels } from "./sharded-channels.js";

/** What changes within this time is told together: slots move one after the other. */
const TELL_AFTER_MS = 200;

/** {@link Shards} in a Redis Cluster: links to each master, as long as it has slots. */
export class ClusterShards implements Shards {
  readonly redises: RoomRedises;
  readonly #topology: ClusterTopology;
  readonly #options: LinksOptions;
  /** By the names of the masters. */
  readonly #links = new Map<string, RedisLinks>();
  readonly #closing = new Set<Promise<void>>();
  readonly #channels = new ShardedChannels((slot) => this.#linksOf(slot));
  readonly #commands: ClusterCommands;
  readonly #readyListeners: (() => void)[] = [];
  readonly #anewListeners: ((has: (key: string) => boolean) => void)[] = [];
  /** Slots of which less may be known than there was. */
  #anew = new Set<number>();
  #telling: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param topology - closed with the links */
  constructor(topology: ClusterTopology, options: LinksOptions) {
    this.#topology = topology;
    this.#options = options;
    this.#commands = new ClusterCommands(
      topology,
      ({ name }) => this.#links.get(name)?.commands.client,
    );
    this.redises = new ShardRedises(
      topology,
      ({ name }) => this.#links.get(name),
      options.waitReplicas,
    );
    const outage = new Outage(options.log, "topology");
    topology.onError((error) => {
      // One of many that is away is no outage.
      if (topology.trouble) outage.add(error);
      else outage.end();
    });
    topology.onChange((change) => {
      outage.end();
      this.#follow(change);
    });
  }

  slotOf(key: string): number {
    return slotOf(key);
  }

  run<T>(key: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#commands.run(key, command);
  }

  isReady(key: string): boolean {
    return this.#linksOf(slotOf(key))?.commands.client.isReady ?? false;
  }

  onReady(listener: () => void): void {
    this.#readyListeners.push(listener);
  }

  onAnew(listener: (has: (key: string) => boolean) => void): void {
    this.#anewListeners.push(listener);
  }

  subscribe(channel: string, listener: MessageListener): Promise<void> {
    return this.#channels.subscribe(channel, listener);
  }

  unsubscribe(channel: string): void {
    this.#channels.unsubscribe(channel);
  }

  subscribeToAll(channel: string, listener: MessageListener): void {
    this.#channels.subscribeToAll(channel, listener, this.#anyLinks());
  }

  unsubscribeFromAll(): void {
    this.#channels.unsubscribeFromAll();
  }

  isHeard(channel: string): boolean {
    return this.#channels.isHeard(channel);
  }

  onHearingChange(listener: HearingListener): void {
    this.#channels.onHearingChange(listener);
  }

  clockOf(channel: string): Pick<RedisClock, "toMonotonic"> {
    const slot = slotOf(channel);
    return { toMonotonic: (redisMs) => this.#linksOf(slot)?.clock.toMonotonic(redisMs) };
  }

  check(): void {
    const { trouble, unassigned } = this.#topology;
    if (trouble) throw notReady(trouble);
    if (unassigned > 0) {
      const cause = new Error(`${String(unassigned)} slots have no master`);
      throw new NotReady("redis_slots_missing", cause);
    }
    for (const links of this.#links.values()) links.check();
  }

  isUp(purpose: RedisPurpose): boolean | undefined {
    const are = [...this.#links.values()].map((links) => links.isUp(purpose));
    if (are.length === 0)
      return purpose === "replicas" && this.#options.waitReplicas === 0 ? undefined : false;
    return are.includes(undefined) ? undefined : !are.includes(false);
  }

  open(): void {
    this.#topology.open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#telling);
    this.#commands.close();
    this.#channels.close();
    await Promise.all([
      this.#topology.close(),
      ...[...this.#links.values()].map((links) => links.close()),
      ...this.#closing,
    ]);
  }

  #linksOf(slot: number): RedisLinks | undefined {
    const master = this.#topology.masterOf(slot);
    return master && this.#links.get(master.name);
  }

  /** To the one that is listened to already, as long as its subscriptions work; else to another one. */
  #anyLinks(): RedisLinks | undefined {
    const all = [...this.#links.values()];
    const now = all.find((links) => this.#channels.isListeningAt(links));
    if (now?.subscriber.isUp) return now;
    return all.find(({ subscriber }) => subscriber.isUp) ?? now;
  }

  #follow({ moved }: TopologyChange): void {
    if (this.#isClosed) return;
    const isFirst = this.#links.size === 0;
    const masters = new Set<string>();
    for (const master of this.#topology.masters()) {
      masters.add(master.name);
      if (!this.#links.has(master.name)) this.#add(master);
    }
    this.#channels.move(moved);
    for (const [name, links] of this.#links) {
      if (masters.has(name)) continue;
      this.#links.delete(name);
      this.#options.log.info({ redis: name }, "a Redis has no slots any more: it is left");
      const closed = links.close().finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    }
    this.#channels.listenAt(this.#anyLinks());
    // What replaces nothing takes nothing away.
    if (!isFirst) this.#noteAnew(moved);
  }

  #add(master: ClusterMaster): void {
    const { name } = master;
    const has = (key: string) => this.#topology.masterOf(slotOf(key))?.name === name;
    let incarnation: string | undefined;
    let waitedKey: string | undefined;
    const links: RedisLinks = new RedisLinks(master.route, {
      ...this.#options,
      log: this.#options.log.child({ redis: name }),
      shard: {
        has,
        slotOf,
        waitedKey: () => {
          // Where it has moved, another one is looked for.
          if (waitedKey === undefined || !has(waitedKey)) {
            waitedKey = this.#topology.keyAt(master, WAITED_KEY);
          }
          return waitedKey;
        },
        onAcknowledged: (channels) => {
          this.#channels.onAcknowledged(links, channels);
        },
        onRefused: (error) => {
          const to = redirectionOf(error, master);
          if (to?.kind === "MOVED") this.#topology.moved(to.slot, to.address);
          return to !== undefined || isClusterPause(error);
        },
        isElsewhere: (error) => redirectionOf(error, master)?.kind === "MOVED",
        onLost: (channel) => {
          this.#channels.onLost(links, channel);
        },
        onIncarnation: (now) => {
          const isAnew = incarnation !== undefined && incarnation !== now;
          incarnation = now;
          if (isAnew) this.#noteAnew(this.#slotsOf(master));
        },
        onForgotten: () => {
          const what =
            "a Redis of the cluster has forgotten what it had, as if it had been emptied (FLUSHALL)";
          this.#options.log.warn({ redis: name }, what);
          this.#noteAnew(this.#slotsOf(master));
        },
      },
    });
    links.subscriber.onChange((isUp) => {
      this.#channels.onChange(links, isUp);
      if (!this.#isClosed) this.#channels.listenAt(this.#anyLinks());
    });
    links.commands.onChange((isUp) => {
      if (!isUp) return;
      this.#channels.begin(links);
      for (const listener of this.#readyListeners) listener();
    });
    this.#links.set(name, links);
    links.open();
  }

  *#slotsOf(master: ClusterMaster): Iterable<number> {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#topology.masterOf(slot) === master) yield slot;
    }
  }

  #noteAnew(slots: Iterable<number>): void {
    for (const slot of slots) this.#anew.add(slot);
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const anew = this.#anew;
      this.#anew = new Set();
      const what = "slots have another Redis, or one that has begun anew: claiming what is in them";
      this.#options.log.info({ slots: anew.size, masters: this.#links.size }, what);
      for (const listener of this.#anewListeners) listener((key) => anew.has(slotOf(key)));
    }, TELL_AFTER_MS);
  }
}
