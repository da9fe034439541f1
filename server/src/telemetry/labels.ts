import { EVENT_NAMES, ROLES } from "@inthon/emitter/protocol";

// What is counted by: short, closed lists.

/** `websocket` and `polling` are Socket.IO's, `plain` is a WebSocket without it, `event-stream` an EventSource's. */
export const PROTOCOLS = ["websocket", "polling", "plain", "event-stream"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Who asked to join; `unknown` where it was refused before that was known. */
export const JOINING_ROLES = [...ROLES, "unknown"] as const;

/** What became of a connection that said who it is. */
export const JOIN_OUTCOMES = [
  /** It begins anew, and asked for no more. */
  "fresh",
  /** It goes on where it stopped. */
  "resumed",
  /** It asked to go on, and was told that it cannot. */
  "not_recovered",
  /** It may not come in. */
  "refused",
  /** It was sent away to come back: this replica could not serve it just now. */
  "unavailable",
  /** It left before it was let in. */
  "gone",
] as const;
export type JoinOutcome = (typeof JOIN_OUTCOMES)[number];

/** Why a connection ended, where it was this server that ended it, or found it gone. */
export const END_REASONS = [
  "session_ended",
  "history_lost",
  "slow_reader",
  "token_expired",
  "too_many_messages",
  "too_large",
  "overloaded",
  "unknown_namespace",
  "ping_timeout",
  "draining",
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** Why a connection ended, of all that the log and the metrics tell. */
export const CLOSE_REASONS = [
  ...END_REASONS,
  "client_left",
  "transport_closed",
  "transport_error",
  "other",
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

/** By what something was published: a request over HTTP, or this server's own announcements of presence. */
export const VIAS = ["http", "presence"] as const;
export type Via = (typeof VIAS)[number];

/** What is told of an event that is none of the contract. */
export const PUBLISHED_EVENTS = [...EVENT_NAMES, "unknown"] as const;

/** What became of an event that somebody wanted to publish. */
export const PUBLISH_OUTCOMES = [
  "published",
  /** Its idempotency key had been seen. */
  "duplicate",
  /** What was sent is not an event, or is too long. */
  "invalid",
  /** Redis refuses it, and will again. */
  "rejected",
  /** Not confirmed in time, by what Redis said last. */
  "unavailable",
  "redis_full",
  "redis_read_only",
  "redis_loading",
  "redis_lacks_replicas",
  "redis_not_replicated",
] as const;
export type PublishOutcome = (typeof PUBLISH_OUTCOMES)[number];

/** What became of a hole in what a room was told, or of its history. */
export const GAP_OUTCOMES = [
  /** Its members have been told what they had missed. */
  "filled",
  /** They have to begin anew. */
  "lost",
  /** They had heard all of a history that Redis does not have any more: who comes back begins anew. */
  "forgotten",
] as const;

/** What became of a beat of the canary: each that was sent is heard, or missed. */
export const BEAT_OUTCOMES = ["sent", "heard", "missed"] as const;

/** What a connection to Redis is for. */
export const REDIS_PURPOSES = ["commands", "subscriptions", "replicas", "sentinels"] as const;
export type RedisPurpose = (typeof REDIS_PURPOSES)[number];
