import { MAX_BATCH_EVENTS, MAX_EVENT_BYTES } from "@inthon/emitter";
import { MAX_BODY_BYTES } from "../http/json-bodies.js";
import { BODY_EXAMPLES, EVENT_EXAMPLES, FIRST_OFFSET, SESSION } from "./examples.js";
import type { Operation, Parameter } from "./operation.js";
import { plainSchema } from "./plain-schema.js";
import { IdempotencyKey, Limit, schemaRef } from "./schemas.js";

// What the routes say of themselves. Each stands in its route's `config`, by which the document finds it.

const REDIS_AWAY = [
  "unavailable",
  "redis_full",
  "redis_read_only",
  "redis_loading",
  "redis_lacks_replicas",
] as const;
const PUBLISHED = { offsets: { student: FIRST_OFFSET }, duplicate: false };

export const PUBLISH: Operation = {
  method: "post",
  id: "publish",
  tag: "Publish",
  summary: "Publish one event, or several",
  description: `Answered when all of it is stored and published. Where one event of an array is not valid, none is published. An event is at most ${String(MAX_EVENT_BYTES)} bytes of JSON, a body ${String(MAX_BODY_BYTES)}.`,
  access: "publisher",
  parameters: [
    {
      name: "Idempotency-Key",
      in: "header",
      description:
        "of your choice, counts for one session: what is sent again under it is not published again. Of an array each event has a key of its own, made of this one and its place",
      schema: plainSchema(IdempotencyKey),
      example: "question-7-liked-5",
    },
    {
      name: "traceparent",
      in: "header",
      description: "of a trace (W3C Trace Context) that the publishing is a part of",
      schema: { type: "string" },
      example: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
  ],
  body: {
    description: `one event, or an array of 1 to ${String(MAX_BATCH_EVENTS)}`,
    schema: { oneOf: [schemaRef("Event"), schemaRef("Events")] },
    examples: BODY_EXAMPLES,
  },
  answers: {
    202: {
      description: "stored and published; an array for an array",
      schema: { oneOf: [schemaRef("Published"), { type: "array", items: schemaRef("Published") }] },
      examples: { one: PUBLISHED, several: [PUBLISHED] },
    },
  },
  problems: {
    400: ["invalid_event", "invalid_idempotency_key"],
    401: ["unauthorized", "token_expired"],
    403: ["forbidden", "origin_not_allowed"],
    404: ["invalid_session_id"],
    413: ["payload_too_large"],
    415: ["unsupported_media_type"],
    500: ["redis_denies_access", "redis_refuses", "redis_refuses_part"],
    503: [...REDIS_AWAY, "redis_not_replicated", "overloaded", "draining"],
  },
};

export const READ_HISTORY: Operation = {
  method: "get",
  id: "readHistory",
  tag: "Read",
  summary: "Read what a role was told",
  description:
    "From the beginning of the history, or after an offset. A page ends at `limit` events, or earlier where those are long: read on from the last one's offset until it is `head`.",
  access: "member",
  parameters: [
    {
      name: "role",
      in: "query",
      required: true,
      description: "whose history",
      schema: schemaRef("role"),
      example: "student",
    },
    {
      name: "after",
      in: "query",
      description: "an offset: the events behind it are told",
      schema: schemaRef("offset"),
    },
    {
      name: "limit",
      in: "query",
      description: "how many events at most",
      schema: plainSchema(Limit),
      example: 100,
    },
  ],
  answers: {
    200: {
      description: "a page of the history",
      schema: schemaRef("HistoryPage"),
      examples: {
        page: {
          session_id: SESSION,
          role: "student",
          head: FIRST_OFFSET,
          complete: true,
          events: [{ offset: FIRST_OFFSET, event: EVENT_EXAMPLES.important }],
        },
      },
    },
  },
  problems: {
    401: ["unauthorized", "token_expired"],
    403: ["forbidden"],
    404: ["invalid_session_id"],
    429: ["too_many_messages"],
    500: ["redis_denies_access", "redis_refuses"],
    503: [...REDIS_AWAY, "overloaded"],
  },
};

export const READ_SESSION: Operation = {
  method: "get",
  id: "readSession",
  tag: "Read",
  summary: "Ask who is there",
  description:
    "Over the whole cluster. A session that nobody has ever named is one without anyone.",
  access: "member",
  parameters: [],
  answers: {
    200: {
      description: "whether a teacher is connected, and how many are of each role",
      schema: schemaRef("SessionState"),
      examples: {
        lecture: {
          session_id: SESSION,
          teacher_online: true,
          connections: { teacher: 1, student: 30 },
        },
      },
    },
  },
  problems: {
    401: ["unauthorized", "token_expired"],
    403: ["forbidden"],
    404: ["invalid_session_id"],
    500: ["redis_denies_access", "redis_refuses"],
    503: [...REDIS_AWAY],
  },
};

const OFFSET_TO_RESUME = "what was missed since this offset is told first";
const RESUME: readonly Parameter[] = [
  {
    name: "Last-Event-ID",
    in: "header",
    description: `${OFFSET_TO_RESUME}; an EventSource sends it by itself`,
    schema: schemaRef("offset"),
  },
  {
    name: "offset",
    in: "query",
    description: `${OFFSET_TO_RESUME}; the header is newer`,
    schema: schemaRef("offset"),
  },
];

export const OPEN_STREAM: Operation = {
  method: "get",
  id: "openStream",
  tag: "Listen",
  summary: "Hear a role's events as an event stream",
  description:
    "For an EventSource, or `curl -N`, whose `Accept` names text/event-stream. The same address is a WebSocket's and a Socket.IO client's `path`: see the AsyncAPI document for all three, and for what is told. With and without the slash at its end.",
  access: "connection",
  parameters: RESUME,
  answers: {
    200: {
      description:
        "`event:` is the event's name, `data:` its JSON, `id:` its offset; lines that begin with a colon are signs of life",
      contentType: "text/event-stream",
      schema: { type: "string" },
      examples: {
        stream: `retry: 1500\n\nevent: important\nid: ${FIRST_OFFSET}\ndata: ${JSON.stringify(EVENT_EXAMPLES.important)}\n\n`,
      },
    },
    204: { description: "the session has ended, as this client has heard: it is to stay away" },
  },
  problems: {
    401: ["unauthorized", "token_expired"],
    403: ["forbidden"],
    404: ["not_found"],
    426: ["upgrade_required"],
    429: ["too_many_connections", "too_many_new_connections"],
    503: ["unavailable", "too_many_connections"],
  },
};

export const LIVES: Operation = {
  method: "get",
  id: "lives",
  tag: "Operate",
  summary: "The process lives",
  description: "For a liveness probe.",
  access: "anyone",
  parameters: [],
  answers: {
    200: {
      description: "it does",
      schema: schemaRef("Alive"),
      examples: { alive: { status: "ok", node: "replica-1" } },
    },
  },
  problems: {},
};

export const IS_READY: Operation = {
  method: "get",
  id: "isReady",
  tag: "Operate",
  summary: "This replica can serve and publish",
  description:
    "For a readiness probe. Connections stay open where it cannot, and everything heals by itself. Where a part of a Redis Cluster refuses, for all replicas alike, it is 200 and names that part.",
  access: "anyone",
  parameters: [],
  answers: {
    200: {
      description: "it can",
      schema: schemaRef("Ready"),
      examples: {
        ready: { status: "ready", node: "replica-1" },
        degraded: {
          status: "degraded",
          node: "replica-1",
          problems: [
            {
              code: "redis_slots_open",
              detail:
                "the Redis Cluster has slots that were left on their way from one master to another, and refuses what is in them: redis-cli --cluster fix; they are 8515",
            },
          ],
        },
      },
    },
  },
  problems: {
    503: [
      ...REDIS_AWAY,
      "redis_tls",
      "redis_cluster_down",
      "redis_slots_missing",
      "redis_slots_open",
      "redis_other_kind",
      "redis_denies_access",
      "redis_refuses",
      "keys_unavailable",
      "draining",
    ],
  },
};
