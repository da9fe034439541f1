import type { RedisState } from "@inthon/emitter";

/** Why this replica is of no use for now, for programs; where publishing says why it fails, it says the same. */
export type NotReadyCode =
  | "unavailable"
  // Whether an event has been replicated shows when it is published, and not before.
  | Exclude<RedisState, "redis_not_replicated">
  | "redis_tls"
  | "redis_cluster_down"
  | "redis_slots_missing"
  | "redis_slots_open"
  | "redis_other_kind"
  | "redis_denies_access"
  | "redis_refuses"
  | "keys_unavailable";

const WHAT_TO_DO: Readonly<Record<NotReadyCode, string>> = {
  unavailable: "Redis cannot be reached: see that it runs, and that REDIS_URL leads to it",
  redis_full: "Redis has no memory left for events: raise its maxmemory, or lower HISTORY_LIMIT",
  redis_read_only:
    "Redis takes no events, as a replica or for want of a disk: let REDIS_URL lead to the primary, or see its log",
  redis_loading:
    "Redis is loading its data, or is a replica that has lost its primary: wait for it",
  redis_lacks_replicas:
    "Redis has fewer replicas than its min-replicas-to-write asks for: bring them back",
  redis_cluster_down:
    "the Redis Cluster refuses all rooms, which it does where one slot has no master while cluster-require-full-coverage is yes, or where most masters are away: set it to no at each node, and see CLUSTER INFO",
  redis_slots_missing:
    "the Redis Cluster has slots without a master that works: see CLUSTER INFO, and bring back the masters or their replicas",
  redis_slots_open:
    "the Redis Cluster has slots that were left on their way from one master to another, and refuses what is in them: redis-cli --cluster fix",
  redis_other_kind: "this Redis is of another kind than REDIS_URL says",
  redis_tls: "Redis cannot be reached by TLS",
  redis_denies_access:
    "Redis denies the user of REDIS_URL what a replica needs: see to its password, and the README for its keys, channels and commands",
  redis_refuses:
    "Redis refuses what publishing needs, though its user may: see that it is Redis 7, and that nothing else uses keys below history:, session: and inthon:",
  keys_unavailable:
    "the keys of JWKS_URL have not been had yet, so nobody can come in: see that it leads to a set of public keys, and the log for why",
};

/** Why a replica cannot serve. The message says what an operator can do and shows no internals; the cause is for the log. */
export class NotReady extends Error {
  override readonly name = "NotReady";
  readonly code: NotReadyCode;

  /** @param known - more that is known of it, of what an operator has set */
  constructor(code: NotReadyCode, cause: unknown, known?: string) {
    super(known === undefined ? WHAT_TO_DO[code] : `${WHAT_TO_DO[code]}; ${known}`, { cause });
    this.code = code;
  }

  /** The same, with more that is known of it. */
  andKnown(known: string): NotReady {
    const { message } = this;
    const more =
      message === WHAT_TO_DO[this.code] ? "" : message.slice(WHAT_TO_DO[this.code].length + 2);
    return new NotReady(this.code, this.cause, more === "" ? known : `${more}; ${known}`);
  }
}
