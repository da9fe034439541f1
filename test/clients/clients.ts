/** Which clients there are: each a program that the guides show, and where it runs. */
import { inBrowser, type Browser } from "./where/browser.js";
import type { Where } from "./where/host.js";
import type { Change } from "./where/program.js";
import { inJava, inNode, inPython, inShell } from "./where/process.js";

/** One row of the table. */
export interface Client {
  readonly name: string;
  /** Below `programs/`. */
  readonly program: string;
  readonly changes?: readonly Change[];
  readonly where: Where;
  /** An EventSource cannot send. */
  readonly canPing: boolean;
  /** How it says that it stays away. */
  readonly end: RegExp;
  /** Whether all that it needs is there anyway, where the tests of this project run. */
  readonly isAtHand?: boolean;
}

/** One that tells a student something. */
export interface Publisher {
  readonly name: string;
  readonly program: string;
  readonly where: Where;
  readonly isAtHand?: boolean;
}

const SOCKET_IO = { canPing: true, end: /^(io server )?disconnect(ed)?$/ };
const WEBSOCKET = { canPing: true, end: /^1000 session_ended$/ };
const STREAM = { canPing: false, end: /^(204|it was refused|it has closed)$/ };

const RESUMING = "javascript/socket-io.mjs";
const OLDER = "javascript/socket-io-older.mjs";
const RECONNECTING = "javascript/reconnecting-websocket.mjs";
const EVENT_SOURCE = "javascript/event-source.mjs";
const ANEW = "javascript/event-source-anew.mjs";

/** Has a program take what it names from a package instead of from the platform. */
function imported(name: string, from: string): Change {
  return { from: "", to: `import { ${name} } from "${from}";\n` };
}

function inBrowsers(name: string, browser: Browser, isAtHand: boolean): readonly Client[] {
  const where = inBrowser(browser);
  return [
    { name: "socket.io-client", program: RESUMING, ...SOCKET_IO },
    { name: "WebSocket", program: "javascript/websocket.mjs", ...WEBSOCKET },
    { name: "EventSource", program: EVENT_SOURCE, ...STREAM },
    { name: "EventSource, made anew", program: ANEW, ...STREAM },
  ].map((client) => ({ ...client, name: `${name}: ${client.name}`, where, isAtHand }));
}

function builtIns(version: string): readonly Client[] {
  const node = (...options: readonly string[]) => inNode({ version, options });
  return [
    {
      name: `Node.js ${version}: WebSocket`,
      program: "javascript/websocket.mjs",
      where: version === "20" ? node("--experimental-websocket") : node(),
      ...WEBSOCKET,
    },
    {
      name: `Node.js ${version}: EventSource`,
      program: EVENT_SOURCE,
      changes: [ALIVE],
      where: node("--experimental-eventsource"),
      ...STREAM,
    },
    {
      name: `Node.js ${version}: fetch`,
      program: "javascript/fetch-stream.mjs",
      where: node(),
      ...STREAM,
    },
  ];
}

/** Node.js has a WebSocket of its own from 22 on. */
const GLOBAL_WEBSOCKET: readonly Change[] = [
  { from: "", to: "globalThis.WebSocket ??= WS;\n" },
  { from: "", to: 'import { WebSocket as WS } from "ws";\n' },
];

/** Of Node.js, and of undici, which it is: it does not keep its process alive while it waits to come back. */
const ALIVE: Change = { from: "", to: "setInterval(() => undefined, 60_000);\n" };

/** The packages that are no part of this project, on the newest Node.js. */
function packaged(name: string): Where {
  return inNode({ version: "24", package: name });
}

export const CLIENTS: readonly Client[] = [
  ...inBrowsers("Chromium", "chromium", true),
  ...inBrowsers("Firefox", "firefox", false),
  {
    name: "Node.js, here: fetch",
    program: "javascript/fetch-stream.mjs",
    where: inNode({}),
    isAtHand: true,
    ...STREAM,
  },
  {
    name: "Node.js, here: EventSource",
    program: EVENT_SOURCE,
    changes: [ALIVE],
    where: inNode({ options: ["--experimental-eventsource"] }),
    isAtHand: true,
    ...STREAM,
  },
  {
    name: "Node.js, here: EventSource, made anew",
    program: ANEW,
    where: inNode({ options: ["--experimental-eventsource"] }),
    isAtHand: true,
    ...STREAM,
  },
  ...["20", "22", "24", "26"].flatMap(builtIns),
  {
    name: "ws",
    program: "javascript/websocket.mjs",
    changes: [imported("WebSocket", "ws")],
    where: inNode({ uses: "ws" }),
    isAtHand: true,
    ...WEBSOCKET,
  },
  {
    name: "undici: WebSocket",
    program: "javascript/websocket.mjs",
    changes: [imported("WebSocket", "undici")],
    where: packaged("undici"),
    ...WEBSOCKET,
  },
  {
    name: "undici: EventSource",
    program: EVENT_SOURCE,
    changes: [ALIVE, imported("EventSource", "undici")],
    where: packaged("undici"),
    ...STREAM,
  },
  {
    name: "eventsource",
    program: EVENT_SOURCE,
    changes: [imported("EventSource", "eventsource")],
    where: packaged("eventsource"),
    ...STREAM,
  },
  ...["3.0", "4.0", "4.5"].map((version) => ({
    name: `socket.io-client ${version}`,
    program: OLDER,
    where: inNode({ package: `socket.io-client@${version}` }),
    ...SOCKET_IO,
  })),
  ...["4.6", "4.8"].map((version) => ({
    name: `socket.io-client ${version}`,
    program: RESUMING,
    where: inNode({ package: `socket.io-client@${version}` }),
    ...SOCKET_IO,
  })),
  {
    name: "socket.io-client, here",
    program: RESUMING,
    where: inNode({ uses: "socket.io-client" }),
    isAtHand: true,
    ...SOCKET_IO,
  },
  {
    name: "socket.io-client, here, as an older one",
    program: OLDER,
    where: inNode({ uses: "socket.io-client" }),
    isAtHand: true,
    ...SOCKET_IO,
  },
  {
    name: "reconnecting-websocket",
    program: RECONNECTING,
    changes: GLOBAL_WEBSOCKET,
    where: inNode({ uses: "reconnecting-websocket" }),
    isAtHand: true,
    ...WEBSOCKET,
    end: /^1000/,
  },
  {
    name: "partysocket",
    program: RECONNECTING,
    changes: [
      ...GLOBAL_WEBSOCKET,
      { from: 'from "reconnecting-websocket"', to: 'from "partysocket/ws"' },
    ],
    where: inNode({ uses: "partysocket" }),
    isAtHand: true,
    ...WEBSOCKET,
    end: /^1000/,
  },
  {
    name: "python-socketio",
    program: "python/socketio_client.py",
    where: inPython(["python3-socketio", "python3-websocket", "python3-requests"]),
    ...SOCKET_IO,
  },
  {
    name: "Python: websockets",
    program: "python/websockets_client.py",
    where: inPython(["python3-websockets"]),
    ...WEBSOCKET,
  },
  { name: "Python: urllib", program: "python/urllib_stream.py", where: inPython([]), ...STREAM },
  {
    name: "Python: requests",
    program: "python/requests_stream.py",
    where: inPython(["python3-requests"]),
    ...STREAM,
  },
  { name: "Java: HttpClient", program: "java/HttpStream.java", where: inJava(), ...STREAM },
  { name: "Java: WebSocket", program: "java/WebSocketClient.java", where: inJava(), ...WEBSOCKET },
  {
    name: "curl",
    program: "shell/listen.bash",
    where: inShell("curl"),
    isAtHand: true,
    ...STREAM,
  },
];

export const PUBLISHERS: readonly Publisher[] = [
  { name: "Node.js: fetch", program: "javascript/publish.mjs", where: inNode({}), isAtHand: true },
  { name: "Python: urllib", program: "python/publish.py", where: inPython([]) },
  { name: "Java: HttpClient", program: "java/Publish.java", where: inJava() },
  { name: "curl", program: "shell/publish.bash", where: inShell("curl"), isAtHand: true },
];
