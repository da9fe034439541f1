import {
  ClusterTopology,
  routeTo,
  type HistoryLimits,
  type RedisTarget,
  type TlsSource,
} from "@inthon/emitter";
import type { Counts } from "../telemetry/counts.js";
import type { Logger } from "../telemetry/log.js";
import type { RedisStates } from "../telemetry/prometheus/redis-metrics.js";
import type { Refusals } from "../telemetry/refusals.js";
import type { NotReady } from "./not-ready.js";
import type { AdapterFactory } from "./lean-adapter.js";
import { MemoryAdapter } from "./memory/adapter.js";
import { MemoryBoard } from "./memory/board.js";
import { MemoryBroker } from "./memory/broker.js";
import { MemoryConnectionCounts } from "./memory/connection-counts.js";
import { MemoryLease } from "./memory/lease.js";
import { MemoryPresenceStore } from "./memory/presence-store.js";
import { redisAdapter } from "./redis/adapter.js";
import { NodeLease } from "./redis/node-lease.js";
import type { Board, Broker, ConnectionCounts, Lease, PresenceStore } from "./ports.js";
import { ClusterShards } from "./redis/cluster/cluster-shards.js";
import { RedisBoard } from "./redis/board.js";
import { RedisBroker } from "./redis/broker.js";
import { RedisConnectionCounts } from "./redis/connection-counts.js";
import { RedisPresenceStore } from "./redis/presence-store.js";
import { RoomSubscriptions } from "./redis/room-subscriptions.js";
import { RedisLinks, type LinksOptions } from "./redis/shards/links.js";
import { OneRedis } from "./redis/shards/one-redis.js";
import type { Shards } from "./redis/shards/shards.js";

/** All that crosses replicas. */
export interface Cluster {
  readonly adapter: AdapterFactory;
  readonly broker: Broker;
  readonly presence: PresenceStore;
  readonly counts: ConnectionCounts;
  readonly lease: Lease;
  readonly board: Board;
  /** Told just before Socket.IO's adapter takes what somebody else than the publisher emitted. One listener. */
  onForeignEmit(listener: () => void): void;
  /** How it is with Redis; `undefined` where there is none. */
  readonly redis: (() => RedisStates) | undefined;
  /**
   * Whether this replica can serve, and publish.
   *
   * @returns what of Redis refuses, where it is of use for the rest
   * @throws NotReady where it cannot
   */
  check(): readonly NotReady[];
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly nodeId: string;
  readonly limits: HistoryLimits;
  readonly leaseMs: number;
  /** How long the members of a node that has gone in order are believed, in milliseconds. */
  readonly handoverMs: number;
  /** How long it takes a node to send all of them away, in milliseconds. */
  readonly drainSpreadMs: number;
  /** Of changes of presence that follow one within this time, the last state is told when it is over, in milliseconds. */
  readonly presenceWindowMs: number;
  /** How long a connection to Redis that does not work may go unnoticed, in milliseconds. */
  readonly linkTimeoutMs: number;
  readonly log: Logger;
  /** Told of what comes from Redis and is nothing that this product writes. */
  readonly refusals: Refusals;
  readonly counts: Counts;
}

/** A cluster of one process. */
export function memoryCluster({ nodeId, limits, presenceWindowMs }: ClusterOptions): Cluster {
  const broker = new MemoryBroker(limits);
  return {
    adapter: MemoryAdapter,
    broker,
    presence: new MemoryPresenceStore(broker, presenceWindowMs),
    counts: new MemoryConnectionCounts(),
    lease: new MemoryLease(nodeId),
    board: new MemoryBoard(nodeId),
    onForeignEmit: () => {
      // Nobody else can.
    },
    redis: undefined,
    // There is nothing that could be away.
    check: () => [],
    close: () => broker.close(),
  };
}

/**
 * A cluster of all replicas that share a Redis, or a Redis Cluster. Does not wait for it: the process lives while Redis is
 * away.
 *
 * @param waitReplicas - so many of its replicas must have what somebody publishes before that is confirmed
 */
export function redisCluster(
  target: RedisTarget,
  tls: TlsSource,
  waitReplicas: number,
  options: ClusterOptions,
): Cluster {
  const { nodeId, limits, leaseMs, handoverMs, linkTimeoutMs, log, refusals } = options;
  const linksOptions = { waitReplicas, timeoutMs: linkTimeoutMs, log, counts: options.counts };
  const shards = shardsOf(target, tls, linksOptions);
  const subscriptions = new RoomSubscriptions(shards, refusals);
  const lease = new NodeLease(shards, nodeId, { leaseMs, handoverMs }, log);
  const counts = new RedisConnectionCounts(shards, lease, log, refusals);
  const board = new RedisBoard(shards, lease, log);
  shards.open();
  return {
    adapter: redisAdapter(subscriptions),
    broker: new RedisBroker(shards, subscriptions, limits, refusals),
    presence: new RedisPresenceStore(shards, {
      leaseMs,
      handoverMs: options.drainSpreadMs + handoverMs,
      windowMs: options.presenceWindowMs,
      refusals,
    }),
    counts,
    board,
    lease: {
      get node() {
        return lease.node;
      },
      nameOnTheWay: () => lease.nameOnTheWay(),
      stop: (holdsNothing) => lease.stop(holdsNothing),
      start: (listener) => {
        lease.start({
          onNewName: (former) => {
            counts.onNewName(former);
            listener.onNewName(former);
          },
          onPartAnew: (has) => {
            listener.onPartAnew(has);
          },
          onHeld: (watch) => {
            counts.onRenewed();
            board.onRenewed(watch);
          },
          onRenewed: () => {
            listener.onRenewed();
          },
          onSettled: () => {
            listener.onSettled();
          },
          onEnd: (node, end) => listener.onEnd(node, end),
        });
      },
    },
    onForeignEmit: (listener) => {
      subscriptions.onForeignEmit(listener);
    },
    redis: () => shards.states(),
    check: () => {
      const troubles = shards.check();
      // Without its lease the others take out whoever this replica holds, as if it were dead.
      if (troubles[0] && !lease.isRenewed) throw troubles[0];
      return troubles;
    },
    close: async () => {
      board.close();
      await counts.close();
      await shards.close();
    },
  };
}

function shardsOf(target: RedisTarget, tls: TlsSource, options: LinksOptions): Shards {
  if (target.kind === "cluster") {
    return new ClusterShards(new ClusterTopology(target, tls), options);
  }
  const route = routeTo(target, tls);
  return new OneRedis(route, new RedisLinks(route, options));
}
