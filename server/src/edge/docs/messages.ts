import { EVENT_NAMES, EVENTS, ROLES, type EventName, type Role } from "@inthon/emitter/protocol";
import {
  CONNECTED_EXAMPLE,
  EVENT_EXAMPLES,
  FIRST_OFFSET,
  PING_EXAMPLE,
  PONG_EXAMPLE,
} from "./examples.js";
import { plainSchema, type JsonSchema } from "./plain-schema.js";
import { Connected, Ping, Pong, schemaRef, toldSchema } from "./schemas.js";

/** What clients connect by, as the document tells them apart. */
export const DIALECTS = ["webSocket", "socketIo", "eventStream"] as const;
export type Dialect = (typeof DIALECTS)[number];

/** What a connection may be told: an event of the contract, what it is told first, or the answer to a ping. */
type Told = EventName | "connected" | "pong";

/** Where a client finds the offset of an event. */
export const OFFSET: Readonly<Record<Dialect, string>> = {
  webSocket: "in the field `offset`, where the URL has `?offset=`, also an empty one",
  socketIo: "the second argument of the event",
  eventStream: "the `id:` of the event",
};

const SUMMARIES: Readonly<Record<Told | "ping", string>> = {
  feedback: "a student says how hard it is",
  question_intent: "somebody is about to ask a question",
  question_capture: "the picture that a question is about",
  important: "this is important",
  teacher_presence: "the teacher has come, or is away",
  new_question: "a question",
  question_like_update: "how many like a question: the newest count is what counts",
  hard_alert: "many find this hard",
  session_ended: "the lecture is over: the connection ends, for good",
  connected: "the first thing that a connection is told: from here on it misses nothing",
  pong: "the answer to a ping, to this connection alone",
  ping: "asks for a pong",
};

/** What connections of a role are told by a protocol. */
export function toldTo(role: Role, dialect: Dialect): readonly Told[] {
  const events = EVENT_NAMES.filter((name) =>
    (EVENTS[name].audience as readonly Role[]).includes(role),
  );
  // Who cannot send cannot ping.
  return ["connected", ...events, ...(dialect === "eventStream" ? [] : ["pong" as const])];
}

/** The name of a message in the document. */
export function messageName(name: Told | "ping", dialect: Dialect): string {
  return `${dialect}.${name}`;
}

/** Every message that is told, by its name in the document. */
export function messages(): Record<string, JsonSchema> {
  const all = DIALECTS.flatMap((dialect) => {
    const told = new Set(ROLES.flatMap((role) => toldTo(role, dialect)));
    return [...told].map((name) => [messageName(name, dialect), message(name, dialect)] as const);
  });
  const pings = (["webSocket", "socketIo"] as const).map(
    (dialect) => [messageName("ping", dialect), ping(dialect)] as const,
  );
  return Object.fromEntries([...all, ...pings]);
}

function message(name: Told, dialect: Dialect): JsonSchema {
  const example = exampleOf(name);
  const title = { name, title: name, summary: SUMMARIES[name] };
  const hasOffset = name !== "pong";
  const described = {
    ...title,
    ...(hasOffset && { description: `Its offset: ${OFFSET[dialect]}.` }),
  };
  const schema = payloadOf(name);
  switch (dialect) {
    case "webSocket":
      return {
        ...described,
        contentType: "application/json",
        payload: hasOffset ? withOffset(schema) : schema,
        examples: [{ payload: example }],
      };
    case "socketIo":
      return {
        ...described,
        "x-arguments": "the payload is what the event's listener is called with",
        payload: {
          type: "array",
          items: hasOffset ? [schema, schemaRef("offset")] : [schema],
          minItems: hasOffset ? 2 : 1,
          additionalItems: false,
        },
        examples: [{ payload: hasOffset ? [example, FIRST_OFFSET] : [example] }],
      };
    case "eventStream":
      return {
        ...described,
        headers: {
          type: "object",
          description: "the lines of the event besides `data:`",
          properties: { event: { const: name }, id: schemaRef("offset") },
          required: ["event", "id"],
        },
        payload: schema,
        examples: [{ headers: { event: name, id: FIRST_OFFSET }, payload: example }],
      };
  }
}

function ping(dialect: "webSocket" | "socketIo"): JsonSchema {
  const schema = plainSchema(Ping);
  const isPlain = dialect === "webSocket";
  return {
    name: "ping",
    title: "ping",
    summary: SUMMARIES.ping,
    description: isPlain
      ? "A text frame. Everything else that is sent is ignored, within limits."
      : 'By `socket.send({ type: "ping" })`, the event `message`, or by `socket.emit("ping")`, which has no payload; with an acknowledgement the answer goes there as well.',
    payload: isPlain ? schema : { type: "array", items: [schema], maxItems: 1 },
    examples: [{ payload: isPlain ? PING_EXAMPLE : [PING_EXAMPLE] }],
  };
}

function payloadOf(name: Told): JsonSchema {
  if (name === "connected") return plainSchema(Connected);
  return name === "pong" ? plainSchema(Pong) : toldSchema(name);
}

function exampleOf(name: Told): unknown {
  if (name === "connected") return CONNECTED_EXAMPLE;
  return name === "pong" ? PONG_EXAMPLE : EVENT_EXAMPLES[name];
}

function withOffset(schema: JsonSchema): JsonSchema {
  const properties = schema["properties"] as JsonSchema;
  return { ...schema, properties: { ...properties, offset: schemaRef("offset") } };
}
