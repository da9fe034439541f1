import type { Operation } from "../docs/operation.js";
import { schemaRef } from "../docs/schemas.js";

// What the routes of operators say of themselves for the documents at `/docs`.

const PROBLEMS = {
  401: ["unauthorized", "token_expired"],
  403: ["forbidden", "origin_not_allowed"],
} as const;

export const WATCH_CLUSTER: Operation = {
  method: "get",
  id: "watchCluster",
  tag: "Operate",
  summary: "See the whole cluster, as it changes",
  description:
    "What the page at /operator shows: an event stream. `overview` comes every two seconds (the schema OperatorOverview); with `session`, `session` says who is in it, and `told` is each event of its histories, the newest 50 of each role first. A session that is looked at has nobody more in it. While nobody looks, replicas send nothing for it.",
  access: "operator",
  parameters: [
    {
      name: "session",
      in: "query",
      description: "whose events are told besides",
      schema: schemaRef("session_id"),
    },
  ],
  answers: {
    200: {
      description: "the stream; it goes on until its client ends it, or its token has run out",
      contentType: "text/event-stream",
      schema: { type: "string" },
      examples: {
        session:
          'retry: 2000\n\nevent: session\ndata: {"session_id":"lecture-1","heads":{},"teacher_online":true,"connections":{"teacher":1,"student":30}}\n\n',
      },
    },
  },
  problems: { ...PROBLEMS, 404: ["invalid_session_id"], 503: ["overloaded", "unavailable"] },
};

export const FIND_CONNECTIONS: Operation = {
  method: "get",
  id: "findConnections",
  tag: "Operate",
  summary: "Find one connection in the whole cluster",
  description:
    "By its id, as the log has it, or by who its token was issued to (`sub`). Takes about a second: a replica hears of the question with the renewal of its lease. One search at a time.",
  access: "operator",
  parameters: [
    {
      name: "id",
      in: "query",
      description: "of a connection",
      schema: { type: "string", maxLength: 64 },
    },
    {
      name: "user",
      in: "query",
      description: "in place of `id`: whose connections",
      schema: { type: "string", maxLength: 255 },
    },
  ],
  answers: {
    200: {
      description: "what was found",
      schema: schemaRef("FoundConnections"),
      examples: { nobody: { connections: [], has_more: false, silent: 0 } },
    },
  },
  problems: {
    ...PROBLEMS,
    500: ["redis_denies_access", "redis_refuses"],
    503: [
      "overloaded",
      "unavailable",
      "redis_full",
      "redis_read_only",
      "redis_loading",
      "redis_lacks_replicas",
    ],
  },
};
