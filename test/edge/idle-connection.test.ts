import { randomUUID } from "node:crypto";
import { Server as HttpServer, type IncomingMessage } from "node:http";
import { setFlagsFromString } from "node:v8";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { startInProcess } from "../helpers/processes/app-in-process.js";
import { eventually } from "../helpers/eventually.js";
import { EventStream } from "../helpers/clients/event-stream.js";
import { Inbox } from "../helpers/clients/inbox.js";

const SECRET = "a secret in the handshake";
const HEADERS = { cookie: SECRET, "user-agent": SECRET };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Weak references to the requests that ask for an upgrade to a WebSocket from now on. */
function watchUpgrades(t: Test): WeakRef<IncomingMessage>[] {
  const requests: WeakRef<IncomingMessage>[] = [];
  const prototype = HttpServer.prototype as unknown as EmitSeam;
  const { emit } = prototype;
  prototype.emit = function (event, ...args) {
    if (event === "upgrade") requests.push(new WeakRef(args[0] as IncomingMessage));
    return emit.call(this, event, ...args);
  };
  t.teardown(() => {
    prototype.emit = emit;
  });
  return requests;
}

/** The requests that are made from now on. */
function watchRequests(t: Test): IncomingMessage[] {
  const requests: IncomingMessage[] = [];
  const prototype = HttpServer.prototype as unknown as EmitSeam;
  const { emit } = prototype;
  prototype.emit = function (event, ...args) {
    if (event === "request") requests.push(args[0] as IncomingMessage);
    return emit.call(this, event, ...args);
  };
  t.teardown(() => {
    prototype.emit = emit;
  });
  return requests;
}

/** What the receiver of a WebSocket keeps of the last frame. */
function maskOf(socket: object | undefined): unknown {
  const { conn } = socket as { readonly conn: MaskSeam };
  return (conn.webSocket ?? conn.transport.socket)?._receiver._mask;
}

interface WebSocketSeam {
  readonly _receiver: { readonly _mask?: unknown };
}

interface MaskSeam {
  readonly webSocket?: WebSocketSeam;
  readonly transport: { readonly socket?: WebSocketSeam };
}

interface EmitSeam {
  emit: (this: HttpServer, event: string, ...args: unknown[]) => boolean;
}

interface Connecting {
  readonly url: string;
  readonly path: string;
  /** Told each event's name. */
  readonly told: Inbox<string>;
}

const CLIENTS = {
  websocket: (t: Test, connecting: Connecting) => {
    stock(t, connecting, ["websocket"]);
  },
  upgrade: (t: Test, connecting: Connecting) => {
    stock(t, connecting, ["polling", "websocket"]);
  },
  plain: (t: Test, { url, path, told }: Connecting) => {
    const target = `${url.replace("http", "ws")}${path}?token=${encodeURIComponent(SECRET)}`;
    const socket = new WebSocket(target, { headers: HEADERS });
    socket.on("message", (data) => {
      told.add((JSON.parse((data as Buffer).toString()) as { event: string }).event);
    });
    t.teardown(() => {
      socket.terminate();
    });
  },
};

function stock(t: Test, { url, path, told }: Connecting, transports: string[]): void {
  const auth = { token: SECRET };
  const options = { path, auth, transports, extraHeaders: HEADERS, forceNew: true };
  const socket = io(url, options);
  socket.onAny((event: string) => {
    told.add(event);
  });
  t.teardown(() => socket.close());
}

for (const [kind, enter] of Object.entries(CLIENTS)) {
  void t.test(`an idle connection keeps nothing of how it began (${kind})`, async (t) => {
    const requests = watchUpgrades(t);
    const app = await startInProcess(t);
    const session = randomUUID();
    const told = new Inbox<string>();
    enter(t, { url: app.url, path: `/ws/session/${session}/student/`, told });
    await told.next((event) => event === "connected");
    await eventually(() => Promise.resolve(requests.length === 1));

    await eventually(() => {
      collectGarbage();
      return Promise.resolve(requests[0]?.deref() === undefined);
    });
    t.equal(requests[0]?.deref(), undefined, "the request is gone");
    const [socket] = app.sockets();
    t.ok(socket?.connected, "the connection is not");
    t.notMatch(JSON.stringify(socket?.handshake), SECRET);
    t.strictSame(socket?.handshake.headers, {});
    t.strictSame(socket?.handshake.auth, {});
    t.strictSame(socket?.data, {}, "and what was prepared is used up");
    t.notOk(maskOf(socket), "what came with the last frame is not kept for its mask");

    const emitter = await connect(app.url);
    t.teardown(() => emitter.close());
    await emitter.emit(session, "hard_alert", { capture_url: null });
    await told.next((event) => event === "hard_alert");
  });
}

void t.test("an event stream keeps its request, and nothing of what that said", async (t) => {
  const requests = watchRequests(t);
  const app = await startInProcess(t);
  const path = `/ws/session/${randomUUID()}/student/?token=${encodeURIComponent(SECRET)}`;
  const stream = await EventStream.open(app.url, path, { headers: HEADERS, lastEventId: "1-1" });
  t.teardown(() => {
    stream.close();
  });
  await stream.events.next();
  const [request] = requests;
  t.ok(request && app.sockets().length === 1);
  const kept = inspect(request, { depth: 4, showHidden: true, maxStringLength: null });
  for (const text of [SECRET, encodeURIComponent(SECRET)]) t.notOk(kept.includes(text));
});
