import {
  rangesOf,
  slotOf,
  SLOTS,
  type ClusterMaster,
  type ClusterTopology,
  type RedisClient,
  type RedisClock,
  type RoomRedises,
  type TopologyChange,
} from "@inthon/emitter";
import { NotReady } from "../../not-ready.js";
import { over } from "../../../telemetry/log.js";
import type { LinkState, RedisStates } from "../../../telemetry/prometheus/redis-metrics.js";
import type { MessageListener } from "../shards/channel-subscriptions.js";
import { RedisLinks, type LinksOptions } from "../shards/links.js";
import { Outage } from "../shards/outage.js";
import { notReady } from "../shards/refusals.js";
import type { HearingListener, Sending, Shards } from "../shards/shards.js";
import { ClusterCommands } from "./commands.js";
import { GuestLinks } from "./guest-links.js";
import { MissingSlots } from "./missing-slots.js";
import { OpenSlots } from "./open-slots.js";
import { NODES_KEY } from "../leavers.js";
import { shardOf } from "./shard-of.js";
import { ShardRedises } from "./shard-redises.js";
import { ShardedChannels } from "./sharded-channels.js";

/** What changes within this time is told together: slots move one after the other. */
const TELL_AFTER_MS = 200;
/** Until it is known which masters there are. */
const NO_LINK_YET: readonly LinkState[] = [
  { purpose: "commands", redis: "", isUp: false },
  { purpose: "subscriptions", redis: "", isUp: false },
];

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
  readonly #guests: GuestLinks;
  readonly #openSlots: OpenSlots;
  readonly #missingSlots: MissingSlots;
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
    this.#openSlots = new OpenSlots(options.log, () =>
      [...this.#links].map(([name, { commands }]) => ({
        name,
        client: commands.client,
        has: (slot) => topology.masterOf(slot)?.name === name,
      })),
    );
    this.#missingSlots = new MissingSlots(options.log, () => this.#missing(this.#useless()));
    this.#guests = new GuestLinks(options.timeoutMs);
    this.#commands = new ClusterCommands(topology, {
      to: ({ name }) => this.#links.get(name)?.commands,
      toGuest: (node) => this.#links.get(node.name)?.commands ?? this.#guests.to(node),
    });
    this.redises = new ShardRedises(
      topology,
      ({ name }) => this.#links.get(name),
      options.waitReplicas,
    );
    const outage = new Outage(options.log);
    topology.onError((error) => {
      // One of many that is away is no outage.
      if (topology.hasFailed) outage.add("topology", error);
    });
    topology.onRecovery(() => {
      outage.end("topology");
    });
    topology.onChange((change) => {
      this.#follow(change);
    });
  }

  slotOf(key: string): number {
    return slotOf(key);
  }

  run<T>(key: string, command: (client: RedisClient) => Promise<T>, sending?: Sending): Promise<T> {
    return this.#commands.run(key, command, sending);
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

  check(): readonly NotReady[] {
    const { trouble } = this.#topology;
    if (trouble) throw notReady(trouble);
    const useless = this.#useless();
    const missing = this.#missing(useless);
    const { left } = this.#openSlots;
    const away = new Set([...missing, ...this.#slotsOfAll(useless.keys())]);
    const problems = this.#problemsOf(useless, missing);
    const [first] = problems;
    // Without its lease it is taken for dead; and where half of the rooms are away, another replica may do better.
    const isOfNoUse = away.has(slotOf(NODES_KEY)) || away.size + left.size >= SLOTS / 2;
    if (first && isOfNoUse) throw first;
    return problems;
  }

  states(): RedisStates {
    const links = [...this.#links.values()].flatMap((one) => one.states());
    return {
      links: links.length > 0 ? links : NO_LINK_YET,
      sentinels: [],
      slots: {
        missing: this.#missing(this.#useless()).length,
        open: this.#openSlots.left.size,
      },
    };
  }

  open(): void {
    this.#topology.open();
    this.#openSlots.open();
    this.#missingSlots.open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#telling);
    this.#openSlots.close();
    this.#missingSlots.close();
    this.#commands.close();
    this.#channels.close();
    await Promise.all([
      this.#topology.close(),
      this.#guests.close(),
      ...[...this.#links.values()].map((links) => links.close()),
      ...this.#closing,
    ]);
  }

  /** Masters to which this replica cannot publish, or which it would not hear, and why. */
  #useless(): ReadonlyMap<ClusterMaster, NotReady> {
    const useless = new Map<ClusterMaster, NotReady>();
    for (const master of this.#topology.masters()) {
      try {
        this.#links.get(master.name)?.check();
      } catch (error) {
        if (!(error instanceof NotReady)) throw error;
        useless.set(master, error);
      }
    }
    return useless;
  }

  #slotsOfAll(masters: Iterable<ClusterMaster>): number[] {
    return [...masters].flatMap((master) => [...this.#topology.slotsOf(master)]);
  }

  /** Slots that nobody has, or whose master is dead by the cluster's own word: one that answers is back already. */
  #missing(useless: ReadonlyMap<ClusterMaster, unknown>): readonly number[] {
    const dead = [...useless.keys()].filter((master) => this.#topology.isFailed(master));
    const slots = this.#slotsOfAll(dead);
    if (this.#topology.unassigned === 0) return slots;
    for (let slot = 0; slot < SLOTS; slot++) if (!this.#topology.masterOf(slot)) slots.push(slot);
    return slots.sort((a, b) => a - b);
  }

  /** What an operator should see to, the first thing first: how many it is so with. Which Redis it is is in the log. */
  #problemsOf(
    useless: ReadonlyMap<ClusterMaster, NotReady>,
    missing: readonly number[],
  ): readonly NotReady[] {
    const problems: NotReady[] = [];
    // They refuse all of theirs for the sake of those that are missing.
    const down = [...useless.values()].find(({ code }) => code === "redis_cluster_down");
    if (down) problems.push(down);
    if (missing.length > 0) {
      const cause = new Error(`${String(missing.length)} slots have no master that works`);
      problems.push(new NotReady("redis_slots_missing", cause, `they are ${rangesOf(missing)}`));
    }
    const others = [...useless].filter(
      ([master, { code }]) => code !== "redis_cluster_down" && !this.#topology.isFailed(master),
    );
    const [[, first] = []] = others;
    if (first) {
      const slots = this.#slotsOfAll(others.map(([master]) => master));
      const count = `${String(others.length)} of ${String(this.#links.size)} masters`;
      const which = rangesOf(slots.sort((a, b) => a - b));
      problems.push(first.andKnown(`it is so with ${count}, which have the slots ${which}`));
    }
    const { left } = this.#openSlots;
    if (left.size > 0) {
      const cause = new Error("slots have been left on their way");
      problems.push(new NotReady("redis_slots_open", cause, `they are ${rangesOf(left)}`));
    }
    return problems;
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
      const { awayMs } = links;
      const fields = awayMs === undefined ? { redis: name } : over({ redis: name, awayMs });
      this.#options.log.info(fields, "a Redis has no slots any more: it is left");
      const closed = links.close().finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    }
    this.#channels.listenAt(this.#anyLinks());
    // What replaces nothing takes nothing away.
    if (!isFirst) this.#noteAnew(moved);
  }

  #add(master: ClusterMaster): void {
    const { name } = master;
    const links: RedisLinks = new RedisLinks(master.route, {
      ...this.#options,
      log: this.#options.log.child({ redis: name }),
      shard: shardOf(master, {
        topology: this.#topology,
        openSlots: this.#openSlots,
        channels: this.#channels,
        links: () => links,
        onForgotten: () => {
          const what =
            "a Redis of the cluster has forgotten what it had, as if it had been emptied (FLUSHALL)";
          this.#options.log.warn({ redis: name }, what);
        },
        onAnew: () => {
          this.#noteAnew(this.#topology.slotsOf(master));
        },
      }),
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
