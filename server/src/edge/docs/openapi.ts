import { PROBLEM_CONTENT_TYPE } from "../http/problems.js";
import { PROBLEMS, type ProblemCode } from "../http/problem-codes.js";
import type { Access, Answer, Operation, ProblemsByStatus } from "./operation.js";
import { byName, ref, type JsonSchema } from "./plain-schema.js";
import { namedSchemas, schemaRef } from "./schemas.js";
import { SESSION } from "./examples.js";

/** A route, by its URL as Fastify writes it. */
export interface DocumentedRoute {
  readonly url: string;
  readonly operation: Operation;
}

/** What of a server the documents depend on. */
export interface Server {
  /** Of the program. */
  readonly version: string;
  /** Whether it has publish keys. */
  readonly takesKeys: boolean;
  /** Whether nobody comes in without a token. */
  readonly takesTokens: boolean;
}

/** What any request may be answered, whatever it asks for. */
const ALWAYS: ProblemsByStatus = {
  400: ["invalid_request"],
  403: ["origin_not_allowed"],
  408: ["request_timeout"],
  417: ["invalid_request"],
  429: ["too_many_messages"],
  431: ["invalid_request"],
  500: ["internal_error"],
  503: ["unavailable"],
};

/** The headers that answers of a status have. */
const HEADERS: Readonly<Record<number, string>> = {
  401: "WWW-Authenticate",
  403: "WWW-Authenticate",
  405: "Allow",
  429: "Retry-After",
  503: "Retry-After",
};

/** In the order in which they are read. */
const TAGS: readonly Operation["tag"][] = ["Publish", "Read", "Listen", "Operate"];

const PATH_PARAMETERS: Readonly<Record<string, unknown>> = { session_id: SESSION, role: "student" };

/** The OpenAPI document of the HTTP interface: of the routes that there are, and what each says of itself. */
export function openApi(routes: readonly DocumentedRoute[], server: Server): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { url, operation } of routes) {
    const path = url.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[operation.method] = describe(url, operation, server);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Inthon realtime over HTTP",
      version: server.version,
      license: { name: "MIT", identifier: "MIT" },
      description:
        "Publishing to sessions, reading what was told, and hearing it as an event stream. What is told, and how it is heard by WebSocket and Socket.IO, is in the AsyncAPI document at /docs/asyncapi.json. Every error is `application/problem+json` with a `code`: each answer below names those that it may have, and /docs/openapi.json has all of them, as `x-problems`.",
    },
    // From where the document is: behind a proxy there may be a path in front of all of them.
    servers: [{ url: ".." }],
    tags: TAGS.map((name) => ({ name })),
    paths,
    components: {
      schemas: namedSchemas(),
      parameters: Object.fromEntries(
        Object.entries(PATH_PARAMETERS).map(([name, example]) => [
          name,
          { name, in: "path", required: true, schema: schemaRef(name), example },
        ]),
      ),
      headers: {
        "Retry-After": {
          description: "when to come back, in seconds",
          schema: { type: "integer", minimum: 0 },
        },
        "WWW-Authenticate": {
          description: "what is asked for (RFC 6750)",
          schema: { type: "string" },
        },
        Allow: { description: "the methods that there are", schema: { type: "string" } },
      },
      securitySchemes: {
        publishKey: {
          type: "http",
          scheme: "bearer",
          description: "one of the server's PUBLISH_KEYS, as it is",
        },
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description:
            "a signed token: its claims session_id (or *) and role say what it is for; the role publisher publishes and reads, the role operator sees the whole cluster and reads",
        },
        tokenInQuery: {
          type: "apiKey",
          in: "query",
          name: "token",
          description: "the same token, for an EventSource in a browser, which can set no header",
        },
      },
    },
    "x-problems": PROBLEMS,
  };
}

function describe(url: string, operation: Operation, server: Server): JsonSchema {
  const inPath = [...url.matchAll(/:(\w+)/g)].map(([, name = ""]) => {
    if (!(name in PATH_PARAMETERS)) throw new Error(`/docs knows no parameter ${name} of a path`);
    return ref("components", "parameters", name);
  });
  const { body } = operation;
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: operation.description,
    security: security(operation.access, server),
    parameters: [...inPath, ...operation.parameters],
    ...(body && {
      requestBody: {
        required: true,
        description: body.description,
        content: {
          "application/json": { schema: body.schema, examples: examplesOf(body.examples) },
        },
      },
    }),
    responses: { ...answers(operation.answers), ...problems(operation) },
  };
}

/** One of these is enough; an empty list is what anyone has. */
function security(access: Access, { takesKeys, takesTokens }: Server): readonly object[] {
  if (access === "anyone") return [];
  if (access === "connection") return takesTokens ? [{ token: [] }, { tokenInQuery: [] }] : [];
  return [...(takesKeys ? [{ publishKey: [] }] : []), ...(takesTokens ? [{ token: [] }] : [])];
}

function answers(all: Operation["answers"]): JsonSchema {
  return Object.fromEntries(
    Object.entries(all).map(([status, { description, ...content }]) => [
      status,
      { description, ...contentOf(content) },
    ]),
  );
}

function contentOf({ contentType = "application/json", schema, examples }: Partial<Answer>) {
  if (!schema) return {};
  return { content: { [contentType]: { schema, examples: examplesOf(examples ?? {}) } } };
}

function examplesOf(values: Readonly<Record<string, unknown>>): JsonSchema {
  return byName(Object.keys(values), (name) => ({ value: values[name] }));
}

function problems({ problems }: Operation): JsonSchema {
  const statuses = new Set([...Object.keys(ALWAYS), ...Object.keys(problems)].map(Number));
  return Object.fromEntries(
    [...statuses].sort().map((status) => {
      const of = (table: Readonly<Record<number, readonly ProblemCode[]>>) => table[status] ?? [];
      const codes = [...new Set([...of(problems), ...of(ALWAYS)])];
      const header = HEADERS[status];
      return [
        status,
        {
          description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].means}`).join("\n\n"),
          ...(header !== undefined && {
            headers: { [header]: ref("components", "headers", header) },
          }),
          content: { [PROBLEM]: { schema: problemSchema(status, codes) } },
        },
      ];
    }),
  );
}

const PROBLEM = PROBLEM_CONTENT_TYPE.split(";")[0] ?? "";

function problemSchema(status: number, codes: readonly ProblemCode[]): JsonSchema {
  return {
    allOf: [
      schemaRef("Problem"),
      { properties: { status: { const: status }, code: { enum: codes } } },
    ],
  };
}
