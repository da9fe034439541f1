import { RedisDeployment, type DeploymentParts } from "../deployment.js";
import type { Database } from "../database.js";
import type { RedisServer } from "../redis-server.js";
import type { Shard } from "../shard.js";
import { HOST, Knowledge, Member, SLOTS } from "./member.js";
import { Migration } from "./migration.js";
import { knownSlotOf } from "./routing.js";

const FIRST_PORT = 7_000;
/** How long nodes take to tell each other, in milliseconds: most of the time less. */
const GOSSIP_MS = 60;
/** How often a node is looked for that does not hear, in milliseconds. */
const AGAIN_MS = 200;
/** After which all have agreed that a node is away, in milliseconds (`cluster-node-timeout`, and a little more). */
const NODE_TIMEOUT_MS = 2_500;

type News = (knowledge: Knowledge) => void;

/** A Redis Cluster: masters that tell each other which slots they have, sooner or later. */
export class ClusterDeployment extends RedisDeployment {
  override readonly url: string;
  readonly #needsAll: boolean;
  readonly #members: Member[] = [];
  /** What all of them will know. */
  readonly #truth = new Knowledge();
  /** What each has not heard yet. */
  readonly #unheard = new Map<Member, News[]>();
  readonly #count: number;
  #nextPort = FIRST_PORT;
  readonly #migrations: Migration[] = [];

  /** @param count - of masters */
  constructor(parts: DeploymentParts, count: number, needsAll: boolean) {
    super(parts);
    this.#count = count;
    this.#needsAll = needsAll;
    const nodes = Array.from({ length: count }, (_, i) => `${HOST}:${String(FIRST_PORT + i)}`);
    this.url = `redis+cluster://${nodes.join(",")}`;
  }

  override begin(): void {
    for (let i = 0; i < this.#count; i++) this.addShard();
    for (const [i, { primary }] of this.shards.entries()) {
      const { number } = this.memberAt(primary);
      const [from, to] = [i, i + 1].map((at) => Math.floor((at * SLOTS) / this.#count));
      this.#truth.epochs.set(number, i + 1);
      this.#truth.owners.fill(number, from, to);
      const standby = this.#standBy(primary);
      this.#truth.epochs.set(standby, i + 1);
      this.#truth.primaries.set(standby, number);
    }
    for (const member of this.#members) member.knowledge = new Knowledge(this.#truth);
  }

  override make(): RedisServer {
    const redis = super.make();
    const id = this.parts.world.random.hex(40);
    const number = this.#members.length;
    const member = new Member(
      number,
      id,
      redis,
      new Knowledge(this.#truth),
      (one) => this.#members[one],
      this.#needsAll,
    );
    redis.join(member, (channel, message) => {
      for (const { server } of this.#members) if (server !== redis) server.hear(channel, message);
    });
    this.#members.push(member);
    return redis;
  }

  override databaseOf(key: string): Database {
    const owner = this.#members[this.#truth.owners[knownSlotOf(key)] ?? -1]?.server.database;
    if (owner?.find(key)) return owner;
    // On its way it may be at the other one.
    const holder = this.shards.find(({ primary }) => primary.database.find(key) !== undefined);
    const database = holder?.primary.database ?? owner;
    if (!database) throw new Error(`nobody has the slot of ${key}`);
    return database;
  }

  override successorOf(old: RedisServer): RedisServer | undefined {
    const { number } = this.memberAt(old);
    return this.#followersOf(number).find(
      ({ server }) => server.isReplica && this.isReachable(server),
    )?.server;
  }

  override onPromote(
    old: RedisServer,
    successor: RedisServer,
    splitMs: number,
    isOldGone: boolean,
  ): void {
    if (isOldGone) {
      // Its operator puts another one in its place.
      this.parts.world.after(splitMs + 1_000, () => {
        if (this.memberAt(successor).knowledge.epochs.has(this.memberAt(successor).number))
          this.#announceStandby(successor);
      });
    }
    const [before, after] = [this.memberAt(old), this.memberAt(successor)];
    this.tell(
      after,
      (knowledge) => {
        knowledge.epochs.set(after.number, this.#truth.epoch);
        knowledge.primaries.set(before.number, after.number);
        knowledge.primaries.delete(after.number);
        const { owners } = knowledge;
        for (let slot = 0; slot < SLOTS; slot++) {
          if (owners[slot] === before.number) owners[slot] = after.number;
        }
      },
      { last: before, splitMs },
    );
  }

  override onAway(redis: RedisServer, downMs: number): void {
    const { number } = this.memberAt(redis);
    if (downMs < NODE_TIMEOUT_MS) return;
    this.parts.world.after(NODE_TIMEOUT_MS, () => {
      this.tell(undefined, ({ failed }) => failed.add(number));
    });
    this.parts.world.after(downMs + this.parts.world.random.between(0, NODE_TIMEOUT_MS), () => {
      this.tell(undefined, ({ failed }) => failed.delete(number));
    });
  }

  memberAt(redis: RedisServer): Member {
    const member = this.#members.find(({ server }) => server === redis);
    if (!member) throw new Error(`${redis.name} is in no cluster`);
    return member;
  }

  /** Slots have another master, as that says itself. */
  take(slots: readonly number[], to: Member): void {
    const epoch =
      this.#truth.epochs.get(to.number) === this.#truth.epoch
        ? this.#truth.epoch
        : this.#truth.epoch + 1;
    this.tell(to, (knowledge) => {
      for (const slot of slots) knowledge.owners[slot] = to.number;
      knowledge.epochs.set(to.number, epoch);
    });
  }

  /** Who has a slot, as all will know. */
  ownerOf(slot: number): Member | undefined {
    return this.#members[this.#truth.owners[slot] ?? -1];
  }

  /** Moves slots that are in use, one after the other. @param to - a shard, or a new one */
  moveSlots(from: number, to: number | "new", pauseMs: number, isRemoved: boolean): void {
    const source = this.shard(from);
    const target = to === "new" ? this.#join() : this.shard(to);
    if (source === target) return;
    const migration = new Migration(this.parts.world, this, source, target, pauseMs, () => {
      if (isRemoved) this.#remove(source, target);
      this.#migrations.shift();
      this.#migrations[0]?.begin();
    });
    this.#migrations.push(migration);
    // One after the other: two at once, of one slot, leave it in pieces.
    if (this.#migrations.length === 1) migration.begin();
  }

  override repair(): void {
    for (const migration of this.#migrations) migration.hurry();
  }

  isReachable(redis: RedisServer): boolean {
    return this.parts.network.place(redis.port).redis === redis;
  }

  protected override newPort(): number {
    return this.#nextPort++;
  }

  #join(): Shard {
    const shard = this.addShard();
    const { number } = this.memberAt(shard.primary);
    this.tell(undefined, ({ epochs }) => epochs.set(number, 0));
    this.#announceStandby(shard.primary);
    return shard;
  }

  /** A replica of it that is there. @returns its number */
  #standBy(primary: RedisServer): number {
    const standby = this.make();
    standby.follow(primary);
    this.parts.network.place(standby.port).redis = standby;
    return this.memberAt(standby).number;
  }

  #announceStandby(primary: RedisServer): void {
    const { number } = this.memberAt(primary);
    const standby = this.#standBy(primary);
    this.tell(undefined, ({ epochs, primaries }) => {
      epochs.set(standby, 0);
      primaries.set(standby, number);
    });
  }

  #followersOf(number: number): readonly Member[] {
    return this.#members.filter((one) => this.#truth.primaries.get(one.number) === number);
  }

  /** A master whose slots in use have gone: the others go at once, and it is taken out. */
  #remove(shard: Shard, target: Shard): void {
    const [gone, heir] = [this.memberAt(shard.primary), this.memberAt(target.primary)];
    // Another move may have taken out either of them.
    if (!this.shards.includes(shard) || !this.shards.includes(target)) return;
    if (this.shards.length < 2 || shard.primary.database.keys.length > 0) return;
    const slots = [...this.#truth.owners.keys()].filter((slot) => this.ownerOf(slot) === gone);
    this.take(slots, heir);
    // Both are told, one after the other.
    this.#hearAll(gone);
    this.parts.world.after(1_000, () => {
      // It may have got some again meanwhile.
      if (this.#truth.owners.includes(gone.number) || shard.primary !== gone.server) return;
      const at = this.shards.indexOf(shard);
      if (at < 0 || this.shards.length < 2) return;
      this.shards.splice(at, 1);
      const all = [gone, ...this.#followersOf(gone.number)];
      this.tell(undefined, ({ epochs, primaries }) => {
        for (const { number } of all) {
          epochs.delete(number);
          primaries.delete(number);
        }
      });
      for (const { server } of all) {
        this.parts.network.place(server.port).redis = undefined;
        shard.endConnections(server);
      }
    });
  }

  /** @param from - who knows it at once; `splitMs`: after which the `last` one hears of it */
  tell(from: Member | undefined, news: News, late?: { last: Member; splitMs: number }): void {
    const { world } = this.parts;
    if (from && from === late?.last) throw new Error("who says it knows it");
    this.#bump(from, late !== undefined);
    news(this.#truth);
    if (from) {
      // What was said before it is older than what it says itself.
      this.#hearAll(from);
      from.learn(news);
    }
    for (const member of this.#members) {
      if (member === from) continue;
      const waitMs = member === late?.last ? late.splitMs : 0;
      const unheard = this.#unheard.get(member) ?? [];
      this.#unheard.set(member, unheard);
      unheard.push(news);
      const hear = () => {
        if (member.server.isFrozen) {
          world.after(AGAIN_MS, hear);
          return;
        }
        // In the order in which it was said: what was to come before comes with it.
        const next = unheard.indexOf(news) + 1;
        for (const one of unheard.splice(0, next)) member.learn(one);
      };
      world.after(waitMs + world.random.longTailed(GOSSIP_MS), hear);
    }
  }

  #hearAll(member: Member): void {
    for (const one of this.#unheard.get(member)?.splice(0) ?? []) member.learn(one);
  }

  #bump(from: Member | undefined, isElected: boolean): void {
    if (from && isElected) this.#truth.epochs.set(from.number, this.#truth.epoch + 1);
  }
}
