/**
 * All private parts of dependencies that the server and the emitter rely on, and the versions that were tried with
 * them. To move to another version: change it in `TRIED` and in package.json, run the tests, and read of each part that
 * fails what it is for. The test beside this file holds the list to what is there.
 */

/** Every copy of a dependency that is installed is one of these; `package.json` allows no other. */
export const TRIED = {
  "engine.io": ["6.6.x"],
  "socket.io": ["4.8.x"],
  "socket.io-adapter": ["2.5.x"],
  "socket.io-parser": ["4.2.x"],
  "@socket.io/redis-adapter": ["8.3.x"],
  "@socket.io/redis-emitter": ["5.1.x"],
  // The first is Engine.IO's own, the second serves plain WebSockets.
  ws: ["8.21.x", "8.23.x"],
} as const satisfies Record<string, readonly string[]>;

export type Dependency = keyof typeof TRIED;

/** What has private parts: as a stock server has it. */
export type Owner =
  | "engine.io Server"
  | "engine.io Socket"
  | "engine.io Transport"
  | "request"
  | "socket.io Socket"
  | "socket.io Client"
  | "socket.io-parser Decoder"
  | "RedisAdapter"
  | "WebSocket"
  | "net.Socket"
  | "net.Socket's handle";

/** A member that is private, protected or read-only in the types of its package, and read, called or set by us. */
export interface PrivateMember {
  readonly package: Dependency | "node";
  readonly owner: Owner;
  readonly member: string;
  readonly type: "function" | "object" | "string" | "number" | "boolean";
  readonly what: string;
  readonly usedIn: string;
  readonly pinnedBy: string;
}

/** What a package does without promising it. */
export interface Habit {
  readonly package: Dependency | "node";
  readonly what: string;
  readonly usedIn: string;
  readonly pinnedBy: string;
}

const ENGINE = { package: "engine.io", usedIn: "server/src/edge/engine-io/engine.ts" } as const;
const CONNECTION = { ...ENGINE, usedIn: "server/src/edge/engine-io/connection.ts" } as const;
const HANDSHAKE = { usedIn: "server/src/edge/engine-io/handshake.ts" } as const;
const PROTOTYPES = { usedIn: "server/src/edge/engine-io/prototypes.ts" } as const;
const SEAMS_TEST = { pinnedBy: "test/edge/engine-seams.test.ts" } as const;
const HANDSHAKE_TEST = { pinnedBy: "test/edge/handshake.test.ts" } as const;
const IDLE_TEST = { pinnedBy: "test/edge/idle-connection.test.ts" } as const;
const BAD_INPUT_TEST = { pinnedBy: "test/contract/bad-input.test.ts" } as const;

const SERVER = { ...ENGINE, owner: "engine.io Server", type: "function" } as const;
const SOCKET = { ...ENGINE, owner: "engine.io Socket", ...SEAMS_TEST } as const;
const TRANSPORT = { ...CONNECTION, owner: "engine.io Transport", ...SEAMS_TEST } as const;

export const PRIVATE_MEMBERS: readonly PrivateMember[] = [
  {
    ...SERVER,
    ...SEAMS_TEST,
    member: "ws",
    type: "object",
    what: "completes WebSocket handshakes, without the response object that Engine.IO makes of each for middlewares",
  },
  {
    ...SERVER,
    ...SEAMS_TEST,
    member: "onWebSocket",
    what: "takes over a WebSocket to which a polling client upgrades",
  },
  { ...SERVER, ...BAD_INPUT_TEST, member: "verify", what: "refuses what is not Engine.IO" },
  { ...SERVER, ...HANDSHAKE_TEST, member: "handshake", what: "opens a connection by WebSocket" },
  {
    ...SERVER,
    ...BAD_INPUT_TEST,
    member: "createTransport",
    what: "where each transport gets the `onPacket` that ignores junk",
  },
  {
    ...CONNECTION,
    ...SOCKET,
    usedIn: CONNECTION.usedIn,
    member: "writeBuffer",
    type: "object",
    what: "is empty where nothing waits, so that ready frames overtake nothing",
  },
  {
    ...SOCKET,
    member: "pingTimeoutTimer",
    type: "object",
    what: "is null when no answer to a ping is awaited",
  },
  {
    ...SOCKET,
    member: "hasRefreshedPingTimeout",
    type: "boolean",
    what: "is reset by whoever pings, else the next timeout does not count",
  },
  { ...SOCKET, member: "sendPacket", type: "function", what: "pings behind what waits" },
  { ...SOCKET, member: "resetPingTimeout", type: "function", what: "waits for the answer" },
  {
    ...SOCKET,
    ...PROTOTYPES,
    member: "schedulePing",
    type: "function",
    what: "would make a timer for each connection: one heartbeat pings all",
  },
  {
    ...SOCKET,
    ...PROTOTYPES,
    member: "server",
    type: "object",
    what: "tells whether the connection is ours",
  },
  {
    ...SOCKET,
    ...HANDSHAKE,
    ...IDLE_TEST,
    member: "request",
    type: "object",
    what: "is let go of when the connection has been admitted",
  },
  {
    ...TRANSPORT,
    member: "socket",
    type: "object",
    what: "the WebSocket below, for the socket below it",
  },
  {
    ...TRANSPORT,
    member: "perMessageDeflate",
    type: "boolean",
    what: "tells whether frames are compressed, so that none may go past `ws`",
  },
  {
    ...TRANSPORT,
    ...BAD_INPUT_TEST,
    usedIn: ENGINE.usedIn,
    member: "onPacket",
    type: "function",
    what: "is replaced on each transport: what is not Engine.IO is ignored, not answered by closing",
  },
  {
    ...HANDSHAKE_TEST,
    package: "engine.io",
    owner: "request",
    member: "_query",
    type: "object",
    what: "where Engine.IO and Socket.IO look for the query: parsed once",
    usedIn: "server/src/edge/request-query.ts",
  },
  {
    ...ENGINE,
    ...HANDSHAKE_TEST,
    owner: "request",
    member: "websocket",
    type: "object",
    what: "where the handshake looks for the WebSocket",
  },
  {
    ...HANDSHAKE_TEST,
    ...PROTOTYPES,
    package: "socket.io",
    owner: "socket.io Socket",
    member: "buildHandshake",
    type: "function",
    what: "would ask the clock twice and print a date for each connection",
  },
  {
    ...HANDSHAKE_TEST,
    ...PROTOTYPES,
    package: "socket.io",
    owner: "socket.io Socket",
    member: "server",
    type: "object",
    what: "tells whether the socket is ours",
  },
  {
    ...HANDSHAKE,
    ...IDLE_TEST,
    package: "socket.io",
    owner: "socket.io Socket",
    member: "handshake",
    type: "object",
    what: "is let go of when the connection has been admitted: it may hold a secret",
  },
  {
    package: "socket.io",
    owner: "socket.io Socket",
    member: "pid",
    type: "string",
    what: "goes to the client with its CONNECT packet, and comes back when it resumes",
    usedIn: "server/src/classroom/resume.ts",
    pinnedBy: "test/resume/resume.test.ts",
  },
  {
    package: "socket.io",
    owner: "socket.io Socket",
    member: "notifyOutgoingListeners",
    type: "function",
    what: "tells listeners of `onAnyOutgoing` of events that go past Socket.IO",
    usedIn: "server/src/edge/delivery-lanes.ts",
    pinnedBy: "test/delivery/past-engine-io.test.ts",
  },
  {
    ...BAD_INPUT_TEST,
    package: "socket.io",
    owner: "socket.io Client",
    member: "decoder",
    type: "object",
    what: "is told when its client has joined",
    usedIn: "server/src/edge/engine-io/decoder.ts",
  },
  {
    ...BAD_INPUT_TEST,
    package: "socket.io-parser",
    owner: "socket.io-parser Decoder",
    member: "decodeString",
    type: "function",
    what: "decodes without waiting for attachments, which the contract has not",
    usedIn: "server/src/edge/engine-io/decoder.ts",
  },
  {
    ...BAD_INPUT_TEST,
    package: "socket.io-parser",
    owner: "socket.io-parser Decoder",
    member: "emitReserved",
    type: "function",
    what: "hands on what is in its place",
    usedIn: "server/src/edge/engine-io/decoder.ts",
  },
  {
    package: "@socket.io/redis-adapter",
    owner: "RedisAdapter",
    member: "onrequest",
    type: "function",
    what: "rejects on a malformed request, and nobody awaits it: caught, or the process would end",
    usedIn: "server/src/cluster/redis/adapter.ts",
    pinnedBy: "test/contract/interop.test.ts",
  },
  {
    ...CONNECTION,
    ...SEAMS_TEST,
    package: "ws",
    owner: "WebSocket",
    member: "_socket",
    type: "object",
    what: "the socket below, to which ready frames are written",
  },
  {
    package: "node",
    owner: "net.Socket",
    member: "_handle",
    type: "object",
    what: "leads to the descriptor",
    usedIn: "server/src/edge/wire/write-now.ts",
    pinnedBy: "test/delivery/write-now.test.ts",
  },
  {
    package: "node",
    owner: "net.Socket's handle",
    member: "fd",
    type: "number",
    what: "is written to at once, past the stream",
    usedIn: "server/src/edge/wire/write-now.ts",
    pinnedBy: "test/delivery/write-now.test.ts",
  },
];

/** Of a connection, what Socket.IO uses: a plain WebSocket has no more. Of `request`, our handshake reads the URL. */
export const USED_OF_A_CONNECTION = [
  "close",
  "id",
  "on",
  "once",
  "protocol",
  "readyState",
  "removeListener",
  "request",
  "transport",
  "write",
];

export const HABITS: readonly Habit[] = [
  {
    package: "socket.io",
    what: `Takes any emitter of \`connection\` for an engine, and uses of a connection ${USED_OF_A_CONNECTION.join(", ")}.`,
    usedIn: "server/src/edge/plain/connection.ts",
    pinnedBy: "test/contract/connecting.test.ts",
  },
  {
    package: "socket.io",
    what: "Asks the adapter for a returning client's state before a middleware admits it, and believes the answer.",
    usedIn: "server/src/cluster/lean-adapter.ts",
    pinnedBy: "test/resume/resume.test.ts",
  },
  {
    package: "socket.io-adapter",
    what: "Looks up a room by `rooms.get` and `has`, and reads of a socket's own room its id and nothing else.",
    usedIn: "server/src/cluster/lean-adapter.ts",
    pinnedBy: "test/contract/interop.test.ts",
  },
  {
    package: "@socket.io/redis-adapter",
    what: "Takes a client with `pSubscribe` for one of the `redis` package, and of the subscriber calls `pSubscribe`, `pUnsubscribe`, `subscribe`, `unsubscribe`, `on` and `off`.",
    usedIn: "server/src/cluster/redis/room-subscriptions.ts",
    pinnedBy: "test/contract/interop.test.ts",
  },
  {
    package: "@socket.io/redis-emitter",
    what: "Calls `publish(channel, message)` of the client that it is given before `emit` returns, for one room on its channel, and writes the event's arguments near the end of the message.",
    usedIn: "emitter/src/redis/packet-encoder.ts",
    pinnedBy: "test/contract/interop.test.ts",
  },
  {
    package: "ws",
    what: "Hands each frame to the socket at once where nothing is compressed: ready frames go past it in order.",
    usedIn: "server/src/edge/plain/connection.ts",
    pinnedBy: "test/delivery/stock-order.test.ts",
  },
  {
    package: "node",
    what: "Opens sockets as non-blocking ones, and closes a descriptor in the turn in which the socket stops being writable, or later.",
    usedIn: "server/src/edge/wire/write-now.ts",
    pinnedBy: "test/delivery/write-now.test.ts",
  },
];
