import type { Network } from "../network/network.js";
import type { World } from "../world/world.js";
import { Database } from "./database.js";
import type { LuaScripts } from "./lua.js";
import { RedisServer, type RedisObserver } from "./redis-server.js";

/** The address behind which the primary is. */
export const PORT = 6379;
/** How often what Redis holds is remembered, for one that comes back with less, in milliseconds. */
const SNAPSHOT_MS = 250;
const MAX_SNAPSHOTS = 24;

interface Snapshot {
  readonly at: number;
  readonly database: Database;
}

/** Redis as its operator has set it up: one that can be restarted, and replaced by a replica that knows less. */
export class RedisDeployment {
  primary: RedisServer;
  /** When it last lost something, in milliseconds since the world began. */
  lostAt = -Infinity;
  /** When it last took away single keys. */
  evictedAt = -Infinity;
  readonly #world: World;
  readonly #network: Network;
  readonly #make: (name: string) => RedisServer;
  #count = 0;
  #snapshots: Snapshot[] = [];
  #servedThen = -1;

  constructor(world: World, network: Network, scripts: LuaScripts, observer: RedisObserver) {
    this.#world = world;
    this.#network = network;
    this.#make = (name) =>
      new RedisServer(name, () => world.wall, world.random.fork(), scripts, observer);
    this.primary = this.#next();
    network.place(PORT).redis = this.primary;
    this.#remember();
  }

  /** The same Redis, with what it had some time ago. */
  restart(lostMs: number, downMs: number, loadingMs: number): void {
    const { primary } = this;
    const place = this.#network.place(PORT);
    const database = this.#databaseOf(lostMs);
    if (place.redis !== primary) return;
    place.redis = undefined;
    this.#endConnections(primary);
    this.#world.after(downMs, () => {
      this.#noteLoss(lostMs);
      primary.beginAnew(database);
      this.#snapshots = [];
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
    const place = this.#network.place(PORT);
    if (place.redis !== old) return;
    const successor = this.#next();
    successor.clockAheadMs = old.clockAheadMs + this.#world.random.between(-200, 200);
    successor.beginAnew(this.#databaseOf(lostMs));
    successor.forgetScripts();
    this.#noteLoss(splitMs > 0 ? Infinity : lostMs);
    this.primary = successor;
    this.#snapshots = [];
    place.redis = successor;
    this.#world.after(splitMs, () => {
      if (splitMs > 0) this.#noteLoss(Infinity);
      if (isOldGone) this.#endConnections(old);
      else old.follow(successor);
    });
  }

  /** @param of - with what their names begin */
  evict(count: number, of: string): readonly string[] {
    this.#noteLoss(Infinity);
    this.evictedAt = this.#world.now;
    return this.primary.evict(count, of);
  }

  #next(): RedisServer {
    return this.#make(`redis-${String(++this.#count)}`);
  }

  #noteLoss(lostMs: number): void {
    if (lostMs > 0) this.lostAt = this.#world.now;
  }

  #databaseOf(lostMs: number): Database {
    if (lostMs === 0) return this.primary.database.copy();
    const before = this.#world.now - lostMs;
    const known = this.#snapshots.filter(({ at }) => at <= before).at(-1);
    return known?.database ?? new Database(() => this.primary.now);
  }

  #endConnections(redis: RedisServer): void {
    for (const connection of this.#network.connections) {
      if (connection.redis === redis) connection.closeByRedis();
    }
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
