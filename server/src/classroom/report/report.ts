import { Type, type Static } from "typebox";

// What a replica tells operators of itself. Other replicas read it, of this version or another one: it is checked.

const Count = Type.Integer({ minimum: 0 });
const Text = Type.String({ maxLength: 1_024 });
/** In milliseconds since 1970, as far as there are dates: a page would fail with another one. */
const Moment = Type.Number({ minimum: 0, maximum: 8.64e15 });

/** How many sessions a replica names: those with most connections. */
export const MAX_SESSIONS = 20;

/** A session, as one replica knows it. */
export const SessionRow = Type.Object({
  session: Type.String({ maxLength: 64 }),
  teachers: Count,
  students: Count,
  /** Events that the history of each role has had, as far as this replica holds it. */
  teacher_events: Count,
  student_events: Count,
  /** What its students were last told of the teacher, where that is known here. */
  teacher_online: Type.Union([Type.Boolean(), Type.Null()]),
});

export const HappeningRow = Type.Object({
  at: Moment,
  kind: Type.Union([
    Type.Literal("drains"),
    Type.Literal("died"),
    Type.Literal("error"),
    Type.Literal("warning"),
    Type.Literal("over"),
  ]),
  text: Text,
});

/** What there is to know of a replica. */
export const Report = Type.Object({
  node: Type.String({ maxLength: 64 }),
  /** When its process began, in milliseconds since 1970. */
  started_at: Moment,
  /** Counts up, so that whoever reads it knows whether it is new. */
  n: Count,
  state: Type.Union([
    Type.Literal("ready"),
    Type.Literal("degraded"),
    Type.Literal("not_ready"),
    Type.Literal("draining"),
  ]),
  /** Codes, as `/readyz` has them. */
  problems: Type.Array(Text, { maxItems: 8 }),
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
  lately: Type.Object({
    seconds: Count,
    cpu: Count,
    told: Count,
    lag: Type.Array(Count, { maxItems: 32 }),
    refused: Type.Record(Type.String({ maxLength: 64 }), Count),
  }),
  busiest: Type.Array(SessionRow, { maxItems: MAX_SESSIONS }),
  happened: Type.Array(HappeningRow, { maxItems: 16 }),
});
export type Report = Static<typeof Report>;
export type SessionRow = Static<typeof SessionRow>;

/** A connection, as an operator is told of it who has looked for it. */
export const FoundConnection = Type.Object({
  connection: Text,
  session: Type.String({ maxLength: 64 }),
  role: Type.Union([Type.Literal("teacher"), Type.Literal("student")]),
  user: Type.Union([Text, Type.Null()]),
  address: Type.Union([Text, Type.Null()]),
  protocol: Text,
  replica: Text,
  connected_s: Count,
  from: Text,
  to: Text,
  /** It is still being told what it had missed. */
  is_behind: Type.Boolean(),
});
export type FoundConnection = Static<typeof FoundConnection>;

/** What one replica has found. */
export const Found = Type.Object({
  /** There are more than are named. */
  has_more: Type.Boolean(),
  connections: Type.Array(FoundConnection, { maxItems: 50 }),
});
export type Found = Static<typeof Found>;

/** What an operator looks for. */
export const Wanted = Type.Union([
  Type.Object({ id: Type.String({ maxLength: 64 }) }),
  Type.Object({ user: Type.String({ maxLength: 255 }) }),
]);
export type Wanted = Static<typeof Wanted>;
