import type { NotReadyCode } from "../../cluster/not-ready.js";

interface ProblemKind {
  /** Those that it comes with. */
  readonly statuses: readonly number[];
  /** For whoever reads the documents at `/docs`. */
  readonly means: string;
}

/**
 * What can go wrong over HTTP: no other code leaves us, and none with another status. The documents at `/docs` are made
 * from it.
 */
export const PROBLEMS = {
  not_found: { statuses: [404], means: "nothing has this path" },
  invalid_session_id: { statuses: [404], means: "the path names no possible session" },
  invalid_request: {
    statuses: [400, 416, 417, 431],
    means:
      "the request is malformed: its HTTP, its query, its JSON or how that is encoded (400), the range of a file (416), what it expects (417), or its headers are too long (431)",
  },
  invalid_event: {
    statuses: [400],
    means: "not an event of the contract: `errors` has each fault with its path",
  },
  invalid_idempotency_key: { statuses: [400], means: "the Idempotency-Key is malformed" },
  unauthorized: { statuses: [401], means: "a key or a token is missing, or is none of ours" },
  token_expired: { statuses: [401], means: "the token has run out: come back with a fresh one" },
  forbidden: { statuses: [403], means: "the token is for something else" },
  origin_not_allowed: {
    statuses: [403],
    means: "pages of this origin may not do this: see ALLOWED_ORIGINS",
  },
  payload_too_large: { statuses: [413], means: "the body or an event is too long" },
  too_many_messages: { statuses: [429], means: "too many requests: ask less often" },
  method_not_allowed: { statuses: [405], means: "nothing is done here by this method: see Allow" },
  not_implemented: {
    statuses: [501],
    means: "a method or a Transfer-Encoding that is not known here",
  },
  unsupported_media_type: {
    statuses: [415],
    means: "the body is not sent as JSON, not as UTF-8, or compressed",
  },
  upgrade_required: {
    statuses: [426],
    means: "neither a WebSocket nor an event stream was asked for",
  },
  request_timeout: { statuses: [408], means: "the request took too long to come" },
  overloaded: { statuses: [503], means: "too much is asked for just now: come back" },
  too_many_connections: {
    statuses: [429, 503],
    means: "an address or a role room (429), or this replica (503), has as many as it may",
  },
  too_many_new_connections: {
    statuses: [429],
    means: "too many new connections of one address: come back later",
  },
  unavailable: {
    statuses: [503],
    means: "Redis does not answer, or this replica cannot serve just now: come back",
  },
  redis_full: { statuses: [503], means: "Redis has no memory left" },
  redis_read_only: { statuses: [503], means: "Redis takes no writes now" },
  redis_loading: { statuses: [503], means: "Redis is loading its data, or has lost its primary" },
  redis_lacks_replicas: {
    statuses: [503],
    means: "Redis has fewer replicas than it needs to take writes",
  },
  redis_not_replicated: {
    statuses: [503],
    means: "published, but too few replicas of Redis have it: repeat with the same key",
  },
  redis_cluster_down: {
    statuses: [503],
    means:
      "the Redis Cluster refuses all rooms: cluster-require-full-coverage is yes and a slot has no master, or most masters are away",
  },
  redis_slots_missing: {
    statuses: [503],
    means: "the Redis Cluster has slots without a master that works",
  },
  redis_slots_open: {
    statuses: [503],
    means: "the Redis Cluster has slots that were left on their way: redis-cli --cluster fix",
  },
  redis_other_kind: { statuses: [503], means: "Redis is of another kind than REDIS_URL says" },
  redis_tls: { statuses: [503], means: "Redis cannot be reached by TLS" },
  redis_denies_access: {
    statuses: [500, 503],
    means: "Redis denies this server what it needs: publishing and reading say so by 500",
  },
  redis_refuses: {
    statuses: [500, 503],
    means: "Redis refuses what this server asks: publishing and reading say so by 500",
  },
  redis_refuses_part: {
    statuses: [500],
    means: "some of it may be published, the rest is refused: mend that, and repeat with the key",
  },
  keys_unavailable: { statuses: [503], means: "the keys of JWKS_URL have not been had yet" },
  draining: { statuses: [503], means: "this replica is about to end: ask another one" },
  internal_error: { statuses: [500], means: "something went wrong here" },
} as const satisfies Readonly<Record<string, ProblemKind>> &
  Readonly<Record<NotReadyCode, ProblemKind>>;

/** What went wrong over HTTP, for programs. */
export type ProblemCode = keyof typeof PROBLEMS;

/** The statuses that a code comes with. */
export type StatusOf<Code extends ProblemCode> = (typeof PROBLEMS)[Code]["statuses"][number];

/** The codes that come with a status. */
export type CodeOf<Status extends number> = {
  [Code in ProblemCode]: Status extends StatusOf<Code> ? Code : never;
}[ProblemCode];
