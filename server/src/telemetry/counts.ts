import { EVENT_NAMES, ROLES, type EventName, type Role } from "@inthon/emitter/protocol";
import { CountTable, NamedCounts } from "./count-table.js";
import { DeliveryTally } from "./delivery-tally.js";
import { Distribution, SECONDS } from "./distribution.js";
import {
  BEAT_OUTCOMES,
  CLOSE_REASONS,
  GAP_OUTCOMES,
  JOIN_OUTCOMES,
  JOINING_ROLES,
  PROTOCOLS,
  PUBLISH_OUTCOMES,
  PUBLISHED_EVENTS,
  VIAS,
  type CloseReason,
  type JoinOutcome,
  type Protocol,
  type PublishOutcome,
  type Via,
  type RedisPurpose,
} from "./labels.js";

const EVENTS_MISSED = [0, 1, 10, 30, 100, 300, 1_000, 3_000];

/** All that this replica counts, where it happens; read at a scrape. Plain numbers: nothing here knows who reads them. */
export class Counts {
  /** Connections as they are now. */
  readonly connections = new CountTable<{ protocol: Protocol; role: Role }>({
    protocol: PROTOCOLS,
    role: ROLES,
  });
  readonly opened = new CountTable<{ protocol: Protocol; role: Role }>({
    protocol: PROTOCOLS,
    role: ROLES,
  });
  readonly closed = new CountTable<{ protocol: Protocol; role: Role; reason: CloseReason }>({
    protocol: PROTOCOLS,
    role: ROLES,
    reason: CLOSE_REASONS,
  });
  readonly joins = new CountTable<{ role: Role | "unknown"; outcome: JoinOutcome }>({
    role: JOINING_ROLES,
    outcome: JOIN_OUTCOMES,
  });
  /** From when a client has said who it is until it is a member, of those who came to be one. */
  readonly joinSeconds = new Distribution(SECONDS);
  /** How many events those had missed who resumed. */
  readonly resumeEvents = new Distribution(EVENTS_MISSED);

  readonly published = new CountTable<{
    event: EventName | "unknown";
    via: Via;
    outcome: PublishOutcome;
  }>({ event: PUBLISHED_EVENTS, via: VIAS, outcome: PUBLISH_OUTCOMES });
  /** From a request's events until they are confirmed, of those that were. */
  readonly publishSeconds = new Distribution(SECONDS);
  /** Events that a room of this replica has been told, each role room's by itself. */
  readonly received = new CountTable<{ event: EventName }>({ event: EVENT_NAMES });
  readonly deliveries = new DeliveryTally();
  /** From when Redis published an event until it had been written to the last of a room's members. */
  readonly publishToSocket: Readonly<Record<EventName, Distribution>> = Object.fromEntries(
    EVENT_NAMES.map((name) => [name, new Distribution(SECONDS)]),
  ) as Record<EventName, Distribution>;

  readonly gaps = new CountTable<{ outcome: (typeof GAP_OUTCOMES)[number] }>({
    outcome: GAP_OUTCOMES,
  });
  readonly historyReadSeconds = new Distribution(SECONDS);

  /** Changes of presence that this replica was the first to announce. */
  presenceChanges = 0;
  /** Replicas whose lease ran out, and whose teachers this one has taken out. */
  sweeps = 0;
  /** How often this replica had to claim all it holds anew: its lease ran out, or Redis began anew. */
  leasesLost = 0;

  readonly redisPingSeconds = new Distribution(SECONDS);
  /** Connections that came to work after one that had. */
  readonly redisReconnects = new NamedCounts<{ purpose: RedisPurpose; redis: string }>();

  readonly beats = new CountTable<{ outcome: (typeof BEAT_OUTCOMES)[number] }>({
    outcome: BEAT_OUTCOMES,
  });
  /** From publishing a beat until it was heard. */
  readonly beatSeconds = new Distribution(SECONDS);
}
