/** Series as promtool takes them: a name with labels, and its values, one each 15 s. */
export type Series = Readonly<Record<string, string>>;

/** What an alert is tried with: series that differ from {@link HEALTHY}, or that are not there (`_`). */
export interface Scenario {
  /** With these it fires, and nothing else does but what `also` names. */
  readonly fires: Series;
  /** With these, which are just not enough, nothing fires. */
  readonly quiet: Series;
  readonly also?: readonly string[];
}

/** When alerts are looked at. */
export const EVALUATED_AT_SAMPLE = 280;
export const INTERVAL_S = 15;

const POD = 'job="inthon-server",namespace="inthon",pod="a"';
/** Of another cluster, which the same Prometheus watches. */
const NEIGHBOUR = 'job="inthon-server",cluster="east",namespace="inthon",pod="a"';
const OTHER = 'job="inthon-server",namespace="inthon",pod="b"';
const at = (metric: string, labels = "", pod = POD): string =>
  `${metric}{${pod}${labels === "" ? "" : `,${labels}`}}`;

/** How many samples there are: half an hour, and an hour more for what waits that long. */
const SAMPLES = 400;
const constant = (value: number): string => `${String(value)}+0x${String(SAMPLES)}`;
/** Growing by as much each 15 s. */
const growing = (by: number): string => `0+${String(by)}x${String(SAMPLES)}`;
/** Growing by as much in each of the last samples only: nothing has happened before. */
const lately = (by: number, samples: number): string =>
  `0+0x${String(EVALUATED_AT_SAMPLE - samples)} ${String(by)}+${String(by)}x${String(samples - 1)}`;

/** Up, and not any more in the last minute. */
const JUST_GONE = `1+0x${String(EVALUATED_AT_SAMPLE - 4)} 0 0 0 0`;

/** A histogram whose every observation fell below a bound. */
function observed(metric: string, bound: string, bounds: readonly string[], labels = ""): Series {
  const series: Record<string, string> = {};
  let isReached = false;
  for (const le of bounds) {
    isReached ||= le === bound;
    const separated = labels === "" ? "" : `${labels},`;
    series[at(`${metric}_bucket`, `${separated}le="${le}"`)] = growing(isReached ? 100 : 0);
  }
  return series;
}

const SECONDS = ["0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
const socketSeconds = (bound: string): Series =>
  observed("inthon_publish_to_socket_seconds", bound, SECONDS, 'event="important"');
const pingSeconds = (bound: string): Series =>
  observed("inthon_redis_ping_seconds", bound, SECONDS);

const published = (outcome: string): string =>
  at("inthon_events_published_total", `event="important",via="http",outcome="${outcome}"`);
const joins = (outcome: string): string =>
  at("inthon_joins_total", `role="student",outcome="${outcome}"`);
const limit = (code: string): string => at("inthon_limits_hit_total", `limit="${code}"`);
const connections = (pod?: string): string =>
  at("inthon_connections", 'protocol="plain",role="student"', pod);
const up = (pod?: string): string => at("up", "", pod);
const redisUp = (purpose: string): string => at("inthon_redis_up", `purpose="${purpose}"`);
const sentinelUp = (sentinel: string): string => at("inthon_sentinel_up", `sentinel="${sentinel}"`);
const slots = (state: string): string => at("inthon_redis_slots", `state="${state}"`);
const info = (version: string, pod: string): string =>
  at("inthon_build_info", `version="${version}"`, pod);
const memory = at("process_resident_memory_bytes");
const MIB = 1024 * 1024;

/** Two replicas that are well. */
export const HEALTHY: Series = {
  [up()]: constant(1),
  [up(OTHER)]: constant(1),
  [up(NEIGHBOUR)]: constant(1),
  [redisUp("commands")]: constant(1),
  [redisUp("subscriptions")]: constant(1),
  [redisUp("sentinels")]: constant(1),
  [sentinelUp("a:26379")]: constant(1),
  [sentinelUp("b:26379")]: constant(1),
  [slots("missing")]: constant(0),
  [slots("open")]: constant(0),
  [published("published")]: growing(100),
  [published("duplicate")]: growing(5),
  [published("invalid")]: growing(50),
  [published("unavailable")]: constant(0),
  [published("redis_not_replicated")]: constant(0),
  ...socketSeconds("0.1"),
  ...pingSeconds("0.1"),
  [at("inthon_gaps_total", 'outcome="filled"')]: growing(1),
  [at("inthon_gaps_total", 'outcome="lost"')]: constant(0),
  [at("inthon_gaps_total", 'outcome="forgotten"')]: constant(0),
  [at("inthon_canary_beats_total", 'outcome="sent"')]: growing(3),
  [at("inthon_canary_beats_total", 'outcome="missed"')]: constant(0),
  [joins("fresh")]: growing(100),
  [joins("unavailable")]: constant(0),
  [at("inthon_sweeps_total")]: constant(0),
  [at("process_start_time_seconds")]: constant(1_000),
  [at("inthon_lease_lost_total")]: constant(0),
  [at("inthon_redis_reconnects_total", 'purpose="commands"')]: constant(0),
  [limit("bad_bus_message")]: constant(0),
  [limit("too_many_connections")]: constant(0),
  [limit("unauthorized")]: growing(15),
  [connections()]: constant(10_000),
  [connections(OTHER)]: constant(10_000),
  [at("inthon_max_connections")]: constant(20_000),
  [at("inthon_max_connections", "", OTHER)]: constant(20_000),
  [at("inthon_slow_readers_closed_total")]: constant(0),
  [at("nodejs_eventloop_lag_p99_seconds")]: constant(0.02),
  [memory]: constant(400 * MIB),
  [info("0.1.0", POD)]: constant(1),
  [info("0.1.0", OTHER)]: constant(1),
};

/** What each alert is told by. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  InthonNobodyAnswers: {
    // One that is down, and one of which Prometheus has heard in former times.
    fires: { [up()]: constant(0), [up(OTHER)]: `1+0x200 _x200` },
    quiet: { [up()]: JUST_GONE, [up(OTHER)]: JUST_GONE },
    also: ["InthonReplicaNotScraped"],
  },
  InthonRedisAway: {
    fires: { [redisUp("subscriptions")]: constant(0) },
    quiet: { [redisUp("subscriptions")]: `1+0x${String(EVALUATED_AT_SAMPLE - 2)} 0 0` },
  },
  InthonSlotsRefused: {
    fires: { [slots("open")]: constant(1) },
    quiet: { [slots("missing")]: `0+0x${String(EVALUATED_AT_SAMPLE - 3)} 1 1 1` },
  },
  InthonPublishingFails: {
    fires: { [published("unavailable")]: growing(2) },
    quiet: { [published("unavailable")]: growing(1), [published("invalid")]: growing(5_000) },
  },
  InthonEventsLate: { fires: socketSeconds("2.5"), quiet: socketSeconds("1") },
  InthonEventsLost: {
    fires: { [at("inthon_gaps_total", 'outcome="forgotten"')]: lately(1, 1) },
    quiet: { [at("inthon_gaps_total", 'outcome="filled"')]: growing(50) },
  },
  InthonCanaryMissesBeats: {
    fires: { [at("inthon_canary_beats_total", 'outcome="missed"')]: lately(1, 6) },
    quiet: { [at("inthon_canary_beats_total", 'outcome="missed"')]: lately(1, 1) },
  },
  InthonJoinsFail: {
    fires: { [joins("unavailable")]: growing(6) },
    quiet: { [joins("unavailable")]: growing(5) },
  },
  InthonReplicaNotScraped: {
    fires: { [up()]: constant(0) },
    quiet: { [up()]: `1+0x${String(EVALUATED_AT_SAMPLE - 5)} 0 0 0 0 0 0` },
  },
  InthonReplicaDied: {
    fires: { [at("inthon_sweeps_total")]: lately(1, 1) },
    quiet: { [at("inthon_sweeps_total")]: constant(7) },
  },
  InthonReplicaRestarts: {
    fires: { [at("process_start_time_seconds")]: lately(1, 3) },
    quiet: { [at("process_start_time_seconds")]: lately(1, 2) },
  },
  InthonLeaseLost: {
    fires: { [at("inthon_lease_lost_total")]: lately(1, 1) },
    quiet: { [at("inthon_lease_lost_total")]: constant(3) },
  },
  InthonRedisSlow: { fires: pingSeconds("0.5"), quiet: pingSeconds("0.25") },
  InthonRedisLinksBreak: {
    fires: { [at("inthon_redis_reconnects_total", 'purpose="commands"')]: lately(1, 15) },
    quiet: { [at("inthon_redis_reconnects_total", 'purpose="commands"')]: lately(1, 8) },
  },
  InthonSentinelsAway: {
    fires: { [sentinelUp("b:26379")]: constant(0) },
    quiet: { [sentinelUp("b:26379")]: `1+0x${String(EVALUATED_AT_SAMPLE - 3)} 0 0 0` },
  },
  InthonTooFewReplicas: {
    fires: { [published("redis_not_replicated")]: growing(1) },
    quiet: { [published("redis_not_replicated")]: lately(5, 1) },
  },
  InthonStrangerOnRedis: {
    fires: { [limit("bad_bus_message")]: lately(1, 1) },
    quiet: { [limit("bad_bus_message")]: constant(3) },
  },
  InthonReplicaFull: {
    fires: { [connections()]: constant(16_001) },
    quiet: { [connections()]: constant(16_000), [connections(OTHER)]: constant(16_000) },
  },
  InthonConnectionsRefused: {
    fires: { [limit("too_many_connections")]: lately(10, 6) },
    quiet: { [limit("too_many_connections")]: lately(10, 4) },
  },
  InthonManyRefused: {
    fires: { [limit("unauthorized")]: growing(5.2 * INTERVAL_S) },
    quiet: { [limit("unauthorized")]: growing(4.8 * INTERVAL_S) },
  },
  InthonSlowReaders: {
    fires: { [at("inthon_slow_readers_closed_total")]: lately(25, 10) },
    quiet: { [at("inthon_slow_readers_closed_total")]: lately(25, 8) },
  },
  InthonEventLoopLate: {
    fires: { [at("nodejs_eventloop_lag_p99_seconds")]: constant(0.3) },
    quiet: { [at("nodejs_eventloop_lag_p99_seconds")]: constant(0.25) },
  },
  InthonMemoryShort: {
    fires: { [memory]: constant(880 * MIB) },
    quiet: { [memory]: constant(860 * MIB) },
  },
  InthonVersionsMixed: {
    fires: { [info("0.2.0", OTHER)]: constant(1) },
    quiet: { [info("0.2.0", OTHER)]: `_x${String(EVALUATED_AT_SAMPLE - 120)} 1+0x200` },
  },
};
