import { MAX_BATCH_EVENTS, IDEMPOTENCY_KEY_PATTERN } from "@inthon/emitter";
import {
  EVENT_NAMES,
  EVENTS,
  OFFSET_PATTERN,
  ROLES,
  SESSION_ID_PATTERN,
  type EventName,
} from "@inthon/emitter/protocol";
import { eventSchema } from "@inthon/emitter/validate";
import { Type } from "typebox";
import { PROBLEMS, type ProblemCode } from "../http/problem-codes.js";
import { DEFAULT_LIMIT, MAX_LIMIT } from "../http/routes/history-query.js";
import { FoundConnections, OverviewData } from "../operator/schemas.js";
import { byName, plainSchema, ref, type JsonSchema } from "./plain-schema.js";

// What routes answer by these schemas, they are typed by.

const OFFSET_TEXT =
  "the place of an event in the history of its role room: <epoch>-<n>, where n counts up by one";

export const SessionIdText = Type.String({
  pattern: SESSION_ID_PATTERN,
  description: "names one lecture: 1 to 64 characters of A-Z a-z 0-9 _ -",
});
export const RoleName = Type.Union([Type.Literal(ROLES[0]), Type.Literal(ROLES[1])]);
export const OffsetText = Type.String({ pattern: OFFSET_PATTERN, description: OFFSET_TEXT });
export const IdempotencyKey = Type.String({ pattern: IDEMPOTENCY_KEY_PATTERN });
export const Limit = Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT });

/** What became of one event that was published. */
export const Published = Type.Object({
  offsets: Type.Object(
    { teacher: Type.Optional(OffsetText), student: Type.Optional(OffsetText) },
    { description: "the event's offset in each role room that it went to" },
  ),
  duplicate: Type.Boolean({
    description: "its Idempotency-Key was seen before: these are the offsets of then",
  }),
});

/** What is known of a session over the whole cluster. */
export const SessionState = Type.Object({
  session_id: SessionIdText,
  teacher_online: Type.Boolean(),
  connections: Type.Object({
    teacher: Type.Integer({ minimum: 0 }),
    student: Type.Integer({ minimum: 0 }),
  }),
});

/** What a page of history is, but for its `events`. */
export const HistoryHead = Type.Object({
  session_id: SessionIdText,
  role: RoleName,
  head: Type.String({
    pattern: OFFSET_PATTERN,
    description: "where the history stands: pass it as `after` to read on from here",
  }),
  complete: Type.Boolean({
    description:
      "whether every event after `after` is in the answer, up to its limits; else the history does not reach back to it",
  }),
});

export const Alive = Type.Object({ status: Type.Literal("ok"), node: Type.String() });
export const Ready = Type.Object({
  status: Type.Union([Type.Literal("ready"), Type.Literal("degraded")], {
    description: "`degraded`: a part of Redis refuses, for all replicas alike; the rest is served",
  }),
  node: Type.String(),
  problems: Type.Optional(
    Type.Array(Type.Object({ code: Type.String(), detail: Type.String() }), {
      description: "with `degraded`: what refuses, and what to do",
    }),
  ),
});

/** What every new connection is told first. */
export const Connected = Type.Object({
  event: Type.Literal("connected"),
  session_id: SessionIdText,
  role: RoleName,
  teacher_online: Type.Boolean({
    description: "whether the session has a live teacher connection; always false for a teacher",
  }),
});
export const Pong = Type.Object({ event: Type.Literal("pong") });
export const Ping = Type.Object({ type: Type.Literal("ping") });

const Problem = Type.Object(
  {
    type: Type.Literal("about:blank"),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String({ description: "what went wrong and what to do, for people" }),
    code: Type.String({ description: "what went wrong, for programs" }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          path: Type.String({ description: "a JSON Pointer (RFC 6901), such as /3/like_count" }),
          message: Type.String(),
        }),
      ),
    ),
    idempotency_key: Type.Optional(
      Type.String({ description: "repeat the request with it as its Idempotency-Key" }),
    ),
  },
  { description: "an error (RFC 9457)" },
);

/** The name of the schema of an event as clients are told it. */
export function toldName(name: EventName): string {
  return `${name}.told`;
}

/** The schemas of the documents, by their names. */
export function namedSchemas(): Record<string, JsonSchema> {
  const codes = Object.keys(PROBLEMS) as ProblemCode[];
  const problem = plainSchema(Problem);
  const properties = problem["properties"] as Record<string, JsonSchema>;
  const { code } = properties;
  return {
    session_id: plainSchema(SessionIdText),
    role: plainSchema(RoleName),
    offset: plainSchema(OffsetText),
    ...byName(EVENT_NAMES, (name) => plainSchema(eventSchema(name))),
    ...Object.fromEntries(EVENT_NAMES.map((name) => [toldName(name), toldSchema(name)])),
    Event: {
      description: "an event as a publisher writes it",
      oneOf: EVENT_NAMES.map(schemaRef),
    },
    Events: { type: "array", minItems: 1, maxItems: MAX_BATCH_EVENTS, items: schemaRef("Event") },
    ToldEvent: {
      description: "an event as clients are told it: its time filled in",
      oneOf: EVENT_NAMES.map((name) => schemaRef(toldName(name))),
    },
    Published: plainSchema(Published),
    SessionState: plainSchema(SessionState),
    HistoryPage: historyPage(),
    Alive: plainSchema(Alive),
    OperatorOverview: plainSchema(OverviewData),
    FoundConnections: plainSchema(FoundConnections),
    Ready: plainSchema(Ready),
    Problem: { ...problem, properties: { ...properties, code: { ...code, enum: codes } } },
  };
}

/** One of them. */
export function schemaRef(name: string): JsonSchema {
  return ref("components", "schemas", name);
}

/** An event with all of its fields, which a publisher may leave to be filled in. */
export function toldSchema(name: EventName): JsonSchema {
  const required = ["event", ...Object.keys(EVENTS[name].payload)];
  return { ...plainSchema(eventSchema(name)), required };
}

function historyPage(): JsonSchema {
  const head = plainSchema(HistoryHead);
  const entry = {
    type: "object",
    properties: { offset: schemaRef("offset"), event: schemaRef("ToldEvent") },
    required: ["offset", "event"],
  };
  return {
    ...head,
    properties: {
      ...(head["properties"] as JsonSchema),
      events: { type: "array", maxItems: MAX_LIMIT, items: entry },
    },
    required: [...(head["required"] as readonly string[]), "events"],
  };
}
