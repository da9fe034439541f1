import type { World } from "../../world/world.js";
import type { Shard } from "../shard.js";
import type { RedisServer } from "../redis-server.js";
import type { Member } from "./member.js";
import { knownSlotOf } from "./routing.js";

/** How long it waits for a node that does not answer, in milliseconds. */
const AGAIN_MS = 200;

/** Where slots move. */
interface MovingCluster {
  readonly shards: readonly Shard[];
  memberAt(redis: RedisServer): Member;
  ownerOf(slot: number): Member | undefined;
  take(slots: readonly number[], to: Member): void;
  isReachable(redis: RedisServer): boolean;
}

/** Slots in use that go from one shard to another, one after the other, as `redis-cli --cluster reshard` moves them. */
export class Migration {
  readonly #world: World;
  readonly #cluster: MovingCluster;
  readonly #from: Shard;
  readonly #to: Shard;
  readonly #onEnd: () => void;
  #pauseMs: number;

  constructor(
    world: World,
    cluster: MovingCluster,
    from: Shard,
    to: Shard,
    pauseMs: number,
    onEnd: () => void,
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#from = from;
    this.#to = to;
    this.#pauseMs = pauseMs;
    this.#onEnd = onEnd;
  }

  begin(): void {
    this.#next();
  }

  /** Goes on without a pause. */
  hurry(): void {
    this.#pauseMs = 0;
  }

  #after(run: () => void): void {
    this.#world.after(this.#world.random.longTailed(this.#pauseMs), run);
  }

  #isThere({ primary }: Shard): boolean {
    return !primary.isFrozen && !primary.isLoading && this.#cluster.isReachable(primary);
  }

  #next(): void {
    const { shards } = this.#cluster;
    // One of the two has been taken out before it began.
    if (!shards.includes(this.#from) || !shards.includes(this.#to)) {
      this.#onEnd();
      return;
    }
    const source = this.#cluster.memberAt(this.#from.primary);
    const key = this.#from.primary.database.keys.find(
      (one) => this.#cluster.ownerOf(knownSlotOf(one)) === source,
    );
    if (key === undefined) this.#onEnd();
    else this.#move(knownSlotOf(key));
  }

  /** Whoever has taken over meanwhile knows nothing of it: all of it is said to it again. */
  #move(slot: number): void {
    if (!this.#isThere(this.#from) || !this.#isThere(this.#to)) {
      this.#world.after(AGAIN_MS, () => {
        this.#move(slot);
      });
      return;
    }
    const [source, target] = [this.#from, this.#to].map(({ primary }) =>
      this.#cluster.memberAt(primary),
    ) as [Member, Member];
    target.importing.set(slot, source);
    source.migrating.set(slot, target);
    const key = source.server.database.keys.find((one) => knownSlotOf(one) === slot);
    if (key === undefined) {
      this.#cluster.take([slot], target);
      this.#after(() => {
        this.#next();
      });
      return;
    }
    source.server.giveKey(key, target.server);
    this.#after(() => {
      this.#move(slot);
    });
  }
}
