import type { Network } from "../network/network.js";
import type { World } from "../world/world.js";
import { Database } from "./database.js";
import type { RedisServer } from "./redis-server.js";

/** How often what Redis holds is remembered, for one that comes back with less, in milliseconds. */
const SNAPSHOT_MS = 250;
const MAX_SNAPSHOTS = 24;

interface Snapshot {
  readonly at: number;
  readonly database: Database;
}

/** What befalls a shard, for those around it. */
export interface ShardObserver {
  /** A server for it. */
  make(): RedisServer;
  /** The replica that takes over; `undefined` where there is none. */
  successorOf(old: RedisServer): RedisServer | undefined;
  /** Something of what it had is gone; not where replicas had acknowledged it, `isWhole` says otherwise. */
  onLoss(isWhole: boolean): void;
  /** A replica takes over; the old one may not know it for a while, and may be gone then. */
  onPromote(old: RedisServer, successor: RedisServer, splitMs: number, isOldGone: boolean): void;
  /** It is away for so long. */
  onAway(redis: RedisServer, downMs: number): void;
}

/** A primary, which can be restarted, and replaced by a replica that knows less. All of Redis, or a part of a cluster. */
export class Shard {
  primary: RedisServer;
  readonly #world: World;
  readonly #network: Network;
  readonly #observer: ShardObserver;
  #snapshots: Snapshot[] = [];
  /** When it got a key last that no publisher has waited for. */
  #gainedAt = -Infinity;
  /** What replicas have acknowledged last: whoever takes over has at least that. */
  #acknowledged: Snapshot | undefined;
  #servedThen = -1;

  constructor(world: World, network: Network, observer: ShardObserver) {
    this.#world = world;
    this.#network = network;
    this.#observer = observer;
    this.primary = this.#begin();
    this.#remember();
  }

  /** The same Redis, with what it had some time ago. */
  restart(lostMs: number, downMs: number, loadingMs: number): void {
    const { primary } = this;
    const place = this.#network.place(primary.port);
    const database = this.#databaseOf(lostMs, undefined);
    if (place.redis !== primary) return;
    place.redis = undefined;
    this.endConnections(primary);
    this.#observer.onAway(primary, downMs);
    this.#world.after(downMs, () => {
      if (lostMs > 0) this.#observer.onLoss(true);
      primary.beginAnew(database);
      this.#snapshots = [];
      this.#acknowledged = undefined;
      place.redis = primary;
      primary.isLoading = true;
      this.#world.after(loadingMs, () => {
        primary.isLoading = false;
      });
    });
  }

  /** A replica takes over, with what it had some time ago. */
  failOver(lostMs: number, splitMs: number, isOldGone: boolean): void {
    const old = this.primary;
    if (this.#network.place(old.port).redis !== old) return;
    const database = this.#databaseOf(lostMs, this.#acknowledged);
    const isGainLost = this.#gainedAt > this.#world.now - Math.max(lostMs, splitMs) - SNAPSHOT_MS;
    const successor = this.#observer.successorOf(old);
    if (!successor) return;
    successor.clockAheadMs = old.clockAheadMs + this.#world.random.between(-200, 200);
    successor.beginAnew(database);
    successor.forgetScripts();
    const isLoss = lostMs > 0 || splitMs > 0;
    if (isLoss) this.#observer.onLoss(isGainLost);
    // Who followed it follows another one by now.
    old.replicaLagMs = undefined;
    this.primary = successor;
    this.#adopt(successor);
    this.#snapshots = [];
    // Whoever follows it begins with what it has.
    const { replicaLagMs } = successor;
    this.#acknowledged =
      replicaLagMs === undefined
        ? undefined
        : { at: this.#world.now, database: successor.database.copy() };
    this.#network.place(successor.port).redis = successor;
    this.#observer.onPromote(old, successor, splitMs, isOldGone);
    this.#world.after(splitMs, () => {
      if (splitMs > 0) this.#observer.onLoss(false);
      if (!isOldGone) {
        old.follow(successor);
        return;
      }
      this.endConnections(old);
      const place = this.#network.place(old.port);
      if (place.redis === old) place.redis = undefined;
    });
  }

  endConnections(redis: RedisServer): void {
    for (const connection of this.#network.connections) {
      if (connection.redis === redis) connection.closeByRedis();
    }
  }

  #begin(): RedisServer {
    const primary = this.#observer.make();
    this.#adopt(primary);
    this.#network.place(primary.port).redis = primary;
    return primary;
  }

  /** Its replicas acknowledge what it has, as long as it is the primary. */
  #adopt(primary: RedisServer): void {
    primary.onAcknowledged = (database, wall) => {
      const at = wall - this.#world.wall + this.#world.now;
      if (this.primary === primary) this.#acknowledged = { at, database };
    };
    primary.onGain = () => {
      this.#gainedAt = this.#world.now;
    };
  }

  #databaseOf(lostMs: number, atLeast: Snapshot | undefined): Database {
    if (lostMs === 0) return this.primary.database.copy();
    const before = this.#world.now - lostMs;
    const known = this.#snapshots.filter(({ at }) => at <= before).at(-1);
    const best = atLeast && atLeast.at >= (known?.at ?? -Infinity) ? atLeast : known;
    return best?.database ?? new Database(() => this.primary.now);
  }

  #remember(): void {
    const { primary } = this;
    if (primary.served !== this.#servedThen) {
      this.#servedThen = primary.served;
      this.#snapshots.push({ at: this.#world.now, database: primary.database.copy() });
      if (this.#snapshots.length > MAX_SNAPSHOTS) this.#snapshots.shift();
    }
    this.#world.after(SNAPSHOT_MS, () => {
      this.#remember();
    });
  }
}
