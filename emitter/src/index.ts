/**
 * Broadcasts the classroom's events from any service, without holding a socket.
 *
 * @packageDocumentation
 */
export { connect, type ConnectOptions } from "./connect.js";
export {
  Emitter,
  IDEMPOTENCY_KEY_PATTERN,
  MAX_BATCH_EVENTS,
  type EmitArguments,
  type EmitOptions,
} from "./emitter.js";
export {
  EmitterError,
  parseRedisState,
  refusalIn,
  type EmitterErrorCode,
  type Fault,
  type RedisState,
} from "./errors.js";
export type { Key } from "./http/key.js";
export { isEvent, MAX_EVENT_BYTES, parseEvent, parseEvents } from "./validate/parse-event.js";
export { MAX_IDEMPOTENCY_KEYS } from "./idempotency-keys.js";
export { isReadOnly, isReply, type RedisClient } from "./redis/connection/client.js";
export { publishCommands } from "./redis/connection/own-redis.js";
export { oneRedis, type RoomRedis, type RoomRedises } from "./redis/connection/room-redis.js";
export { Link, type InTime, type LinkOptions } from "./redis/connection/link.js";
export {
  isClusterDown,
  isClusterPause,
  isSplit,
  redirectionOf,
  type Redirection,
} from "./redis/connection/cluster/redirects.js";
export { nodeCommands, type OtherNodes } from "./redis/connection/cluster/node-commands.js";
export { rangesOf, slotsOnTheWay } from "./redis/connection/cluster/cluster-view.js";
export { slotOf, SLOTS } from "./redis/connection/cluster/slots.js";
export {
  ClusterTopology,
  type ClusterMaster,
  type TopologyChange,
} from "./redis/connection/cluster/topology.js";
export {
  parseRedisUrl,
  type ClusterTarget,
  type OneRedisTarget,
  type RedisAddress,
  type RedisTarget,
  type UrlProblem,
} from "./redis/connection/redis-url.js";
export type { IoredisClient } from "./redis/given/ioredis.js";
export type { RedisRoute } from "./redis/connection/route.js";
export { routeTo } from "./redis/connection/route-to.js";
export { otherKindOf, spokenOtherwise } from "./redis/connection/other-kind.js";
export { tlsRefusal, type TlsFault } from "./redis/connection/tls-refused.js";
export { tlsProblem, type RedisTls, type TlsSource } from "./redis/connection/tls.js";
export { isDenial, missingRight, toEmitterError, UndoneError } from "./redis/redis-errors.js";
export { Replicas, WAITED_KEY, type ReplicasOptions } from "./redis/replicas.js";
export { RedisClock } from "./redis/redis-clock.js";
export { DEFAULT_HISTORY_LIMITS, RedisPublisher } from "./redis/redis-publisher.js";
/** Parts of scripts, for the server's own: the one that tries whether it could publish, and the one that reads histories. */
export { MAY_PUBLISH_LUA, STANDING_LUA } from "./redis/lua/texts.js";
export { FLEETING_TTL_MS, type HistoryLimits, type RedisCommands } from "./redis/publish-script.js";
export { parseTraceparent, type TraceParent } from "./traceparent.js";
export type { Publication, Publisher, PublishResult } from "./publisher.js";
