import { OFFSET_PATTERN, ROLES, type Role } from "@inthon/emitter/protocol";
import { DEFAULT_PATH } from "../../classroom/address.js";
import { endings } from "./endings.js";
import { SESSION } from "./examples.js";
import { DIALECTS, messageName, messages, OFFSET, toldTo, type Dialect } from "./messages.js";
import type { Server } from "./openapi.js";
import { byName, plainSchema, ref, type JsonSchema } from "./plain-schema.js";
import { OffsetText, SessionIdText } from "./schemas.js";

interface DialectText {
  readonly title: string;
  /** As AsyncAPI names them; it has no name for an event stream. */
  readonly protocol: string;
  readonly description: string;
}

const TEXTS: Readonly<Record<Dialect, DialectText>> = {
  webSocket: {
    title: "WebSocket",
    protocol: "ws",
    description: "A plain WebSocket: one JSON object in each text frame.",
  },
  socketIo: {
    title: "Socket.IO",
    protocol: "socketio",
    description:
      "The stock client, version 3 or newer (EIO=4), with the channel's address as its `path`; long polling, WebSocket, and the upgrade. It resumes by itself from version 4.6 on.",
  },
  eventStream: {
    title: "EventSource",
    protocol: "sse",
    description:
      "An event stream (HTML, section 9.2): GET with Accept: text/event-stream. It is in the OpenAPI document, too.",
  },
};

const TOKENS: Readonly<Record<Dialect, readonly string[]>> = {
  webSocket: ["bearer", "subprotocol", "tokenInQuery"],
  socketIo: ["socketIoAuth"],
  eventStream: ["bearer", "tokenInQuery"],
};

/** How a client says where it was, to be told what it has missed since. */
const SENT_BACK: Readonly<Record<Dialect, string>> = {
  webSocket: "`?offset=` in the URL of the next connection",
  socketIo:
    'the client itself, from version 4.6 on; an older one by `auth: { pid: "<session_id>.<role>.", offset }`, as a function, which is asked at each attempt',
  eventStream:
    "the header `Last-Event-ID`, which an EventSource sends by itself; `?offset=` in the URL of one that is made anew",
};

/**
 * The AsyncAPI document of what clients are told, from the event table: a channel for each role and protocol.
 *
 * @param host - where its reader has reached this server
 */
export function asyncApi(server: Server, host: string): object {
  const channels = ROLES.flatMap((role) => DIALECTS.map((dialect) => ({ role, dialect })));
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Inthon realtime: what clients are told",
      version: server.version,
      license: { name: "MIT" },
      description:
        "One address for each role of a session, for three protocols. The JSON of an event is the same by all of them, byte for byte. From `connected` on a connection misses nothing; who comes back with the newest offset that it has heard is told what it missed, once, in order; where its `connected` has another offset than that, the history does not reach back, and it begins anew. Publishing is in the OpenAPI document at /docs/openapi.json.",
    },
    defaultContentType: "application/json",
    servers: byName(DIALECTS, (dialect) => {
      const { title, protocol, description } = TEXTS[dialect];
      const security = TOKENS[dialect].map((name) => ref("components", "securitySchemes", name));
      return { host, protocol, title, description, ...(server.takesTokens && { security }) };
    }),
    channels: {
      ...Object.fromEntries(channels.map((one) => [channelName(one), channel(one)])),
      socketIoDefault: defaultChannel(),
    },
    operations: Object.assign({}, ...channels.map(operations)) as JsonSchema,
    components: {
      schemas: { offset: plainSchema(OffsetText), session_id: plainSchema(SessionIdText) },
      messages: messages(),
      parameters: {
        session_id: { description: "names the lecture", examples: [SESSION] },
      },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        subprotocol: {
          type: "httpApiKey",
          in: "header",
          name: "Sec-WebSocket-Protocol",
          description: '`bearer, <token>`: in a browser, new WebSocket(url, ["bearer", token])',
        },
        tokenInQuery: { type: "httpApiKey", in: "query", name: "token" },
        socketIoAuth: {
          type: "apiKey",
          in: "user",
          description: "`auth: { token }` of the client's options",
        },
      },
    },
    "x-resuming": DIALECTS.map((dialect) => ({
      by: TEXTS[dialect].title,
      offset: OFFSET[dialect],
      sent_back: SENT_BACK[dialect],
    })),
    ...endings(),
  };
}

interface ChannelOf {
  readonly role: Role;
  readonly dialect: Dialect;
}

function channelName({ role, dialect }: ChannelOf): string {
  return `${role}.${dialect}`;
}

function channel({ role, dialect }: ChannelOf): JsonSchema {
  const names = [...toldTo(role, dialect), ...(dialect === "eventStream" ? [] : ["ping" as const])];
  return {
    address: `/ws/session/{session_id}/${role}/`,
    title: `What a ${role} is told, by ${TEXTS[dialect].title}`,
    description: TEXTS[dialect].description,
    servers: [ref("servers", dialect)],
    parameters: { session_id: ref("components", "parameters", "session_id") },
    messages: byName(names, (name) => ref("components", "messages", messageName(name, dialect))),
    ...(dialect === "webSocket" && { bindings: { ws: WEB_SOCKET } }),
  };
}

/** Of a plain WebSocket's handshake. */
const WEB_SOCKET = {
  method: "GET",
  query: {
    type: "object",
    properties: {
      offset: {
        ...plainSchema(OffsetText),
        // An empty one asks for offsets alone.
        pattern: `^$|${OFFSET_PATTERN.source}`,
        description:
          "what was missed since this offset is told first; empty: every frame has its offset",
      },
      token: { type: "string" },
    },
  },
  bindingVersion: "0.1.0",
};

/** For Socket.IO's clients that cannot choose a path. */
function defaultChannel(): JsonSchema {
  const names = [...new Set(ROLES.flatMap((role) => toldTo(role, "socketIo"))), "ping" as const];
  return {
    address: DEFAULT_PATH,
    title: "Either, by Socket.IO's own path",
    description:
      "For a client that cannot choose its path: `auth: { session_id, role }`, or the same two in the query, say who connects.",
    servers: [ref("servers", "socketIo")],
    messages: byName(names, (name) => ref("components", "messages", messageName(name, "socketIo"))),
  };
}

function operations(one: ChannelOf): JsonSchema {
  const name = channelName(one);
  const { role, dialect } = one;
  const messageOf = (message: string) => ref("channels", name, "messages", message);
  const tell = {
    action: "send",
    summary: `tells a ${role}, by ${TEXTS[dialect].title}`,
    channel: ref("channels", name),
    messages: toldTo(role, dialect).map(messageOf),
  };
  if (dialect === "eventStream") return { [`${name}.tell`]: tell };
  const hear = {
    action: "receive",
    summary: `hears a ${role}, by ${TEXTS[dialect].title}`,
    channel: ref("channels", name),
    messages: [messageOf("ping")],
    reply: { channel: ref("channels", name), messages: [messageOf("pong")] },
  };
  return { [`${name}.tell`]: tell, [`${name}.hear`]: hear };
}
