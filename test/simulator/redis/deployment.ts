import type { Network } from "../network/network.js";
import type { World } from "../world/world.js";
import type { Database } from "./database.js";
import type { LuaScripts } from "./lua.js";
import { RedisServer, type RedisObserver } from "./redis-server.js";
import { Shard, type ShardObserver } from "./shard.js";

/** The address behind which a primary is that is alone. */
export const PORT = 6379;

export interface DeploymentParts {
  readonly world: World;
  readonly network: Network;
  readonly scripts: LuaScripts;
  readonly observer: RedisObserver;
  /** How long a replica takes to acknowledge; `undefined` where there is none that does. */
  readonly replicaLagMs: number | undefined;
}

/** Redis as its operator has set it up: one behind one address, which the replica takes over that is promoted. */
export class RedisDeployment implements ShardObserver {
  readonly url: string = `redis://192.0.2.1:${String(PORT)}`;
  /** When it last lost something, in milliseconds since the world began. */
  lostAt = -Infinity;
  /** The same, of what replicas had acknowledged. */
  wholeLostAt = -Infinity;
  /** When it last took away single keys. */
  evictedAt = -Infinity;
  readonly shards: Shard[] = [];
  protected readonly parts: DeploymentParts;
  #count = 0;

  constructor(parts: DeploymentParts) {
    this.parts = parts;
  }

  /** To be called once. */
  begin(): void {
    this.addShard();
  }

  /** Whichever has this number, of those that there are. */
  shard(number: number): Shard {
    const shard = this.shards[number % this.shards.length];
    if (!shard) throw new Error("there is no Redis");
    return shard;
  }

  /** That of the Redis that answers for a key. */
  databaseOf(_key: string): Database {
    return this.shard(0).primary.database;
  }

  /** @param of - with what their names begin */
  evict(number: number, count: number, of: string): readonly string[] {
    this.onLoss(true);
    this.evictedAt = this.parts.world.now;
    return this.shard(number).primary.evict(count, of);
  }

  /** Where faults left something undone that its operator sees to. */
  repair(): void {
    // Nothing, here.
  }

  make(): RedisServer {
    const { world, scripts, observer, replicaLagMs } = this.parts;
    const name = `redis-${String(++this.#count)}`;
    const redis = new RedisServer(name, this.newPort(), {
      clock: () => world.wall,
      random: world.random.fork(),
      scripts,
      observer,
    });
    redis.replicaLagMs = replicaLagMs;
    return redis;
  }

  successorOf(_old: RedisServer): RedisServer | undefined {
    return this.make();
  }

  onLoss(isWhole: boolean): void {
    this.lostAt = this.parts.world.now;
    if (isWhole) this.wholeLostAt = this.lostAt;
  }

  onPromote(_old: RedisServer, _successor: RedisServer, _splitMs: number, _isOldGone: boolean) {
    // It is behind the same address.
  }

  onAway(_redis: RedisServer, _downMs: number): void {
    // Nobody waits for it but those who are connected.
  }

  protected newPort(): number {
    return PORT;
  }

  protected addShard(): Shard {
    const { world, network } = this.parts;
    const shard = new Shard(world, network, this);
    this.shards.push(shard);
    return shard;
  }
}
