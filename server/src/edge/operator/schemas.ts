import { Type, type Static } from "typebox";
import { FoundConnection, HappeningRow } from "../../classroom/report/report.js";

// What operators are answered.

const Count = Type.Integer({ minimum: 0 });

const LagText = Type.Object(
  {
    samples: Count,
    p50_ms: Type.Union([Type.Number(), Type.Null()]),
    p99_ms: Type.Union([Type.Number(), Type.Null()]),
  },
  {
    description:
      "from publishing an event until it was written to the last socket of a replica, lately; events of one turn are one sample",
  },
);

/** A replica, as it told last. */
export const ReplicaLine = Type.Object({
  node: Type.String(),
  state: Type.Enum(
    ["ready", "degraded", "not_ready", "draining", "silent", "left", "gone", "untold"],
    {
      description:
        "`silent`: its lease is held and it does not tell; `left`: it has drained and ended; `gone`: it ended without; `untold`: nothing is known of it yet, or it is an older version",
    },
  ),
  problems: Type.Array(Type.String(), { description: "codes, as /readyz has them" }),
  started_at: Type.Union([Type.Number(), Type.Null()]),
  told_ago_ms: Type.Union([Type.Number(), Type.Null()]),
  connections: Type.Object({
    websocket: Count,
    polling: Count,
    plain: Count,
    "event-stream": Count,
  }),
  teachers: Count,
  students: Count,
  rooms: Count,
  sessions: Count,
  memory_mib: Count,
  cpu: Type.Number({ description: "of one core, in per cent" }),
  told_per_s: Type.Number({ description: "events, told to one connection each" }),
  lag: LagText,
  refused: Type.Record(Type.String(), Count, {
    description: "who was refused or cut lately, by code",
  }),
});

/** Something that happened. */
export const HappeningLine = Type.Object({
  at: HappeningRow.properties.at,
  kind: Type.Union([
    HappeningRow.properties.kind,
    Type.Literal("came"),
    Type.Literal("silent"),
    Type.Literal("left"),
    Type.Literal("gone"),
  ]),
  node: Type.String(),
  text: Type.String(),
});

const SessionText = Type.Object({
  session: Type.String(),
  teachers: Count,
  students: Count,
  events: Count,
  teacher_online: Type.Union([Type.Boolean(), Type.Null()]),
  replicas: Type.Array(Type.String()),
  at_least: Type.Boolean({ description: "a replica has more sessions than it names" }),
});
export type SessionLine = Static<typeof SessionText>;

/** The event `overview` of the stream. */
export const OverviewData = Type.Object({
  at: Type.Number({ description: "milliseconds since 1970" }),
  every_ms: Count,
  trouble: Type.Union([Type.String(), Type.Null()], {
    description: "the code of why nothing could be read just now: the rest is as it was",
  }),
  replicas: Type.Array(ReplicaLine),
  total: Type.Object({
    replicas: Count,
    connections: Count,
    teachers: Count,
    students: Count,
    told_per_s: Type.Number(),
  }),
  lag: LagText,
  busiest: Type.Array(SessionText),
  happened: Type.Array(HappeningLine),
});
export type OverviewText = Static<typeof OverviewData>;

/** What is answered to who looks for a connection. */
export const FoundConnections = Type.Object({
  connections: Type.Array(FoundConnection),
  has_more: Type.Boolean({ description: "there are more than are named" }),
  silent: Type.Integer({
    minimum: 0,
    description: "replicas that did not answer in time: what they hold is not in it",
  }),
});
