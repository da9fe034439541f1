import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAdapter } from "@socket.io/redis-adapter";
import { transports } from "engine.io";
import { Server } from "socket.io";
import t, { type Test } from "tap";
import { rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { readTables } from "./tables.js";
const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const [VERSIONS = [], MEMBERS = [], HABITS = []] = readTables(
  read("test/dependencies/private-parts.md"),
);
const SOURCES = ["server/src", "emitter/src"].flatMap((dir) =>
  readdirSync(join(root, dir), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${dir}/${file}`),
);

/** Whether it is one of the versions that `6.6.x` stands for. */
function isTried(version: string, ranges: readonly string[]): boolean {
  return ranges.some((range) => version.startsWith(range.replace(/x$/, "")));
}

/** Every copy of a package that is installed, wherever npm has put it. */
function installed(name: string): { path: string; version: string }[] {
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: object };
  return Object.keys(packages)
    .filter((path) => `/${path}`.endsWith(`/node_modules/${name}`))
    .filter((path) => existsSync(join(root, path)))
    .map((path) => {
      const { version } = JSON.parse(read(`${path}/package.json`)) as { version: string };
      return { path, version };
    });
}

for (const { package: name = "", tried = "" } of VERSIONS) {
  const ranges = tried.split(", ");
  void t.test(`${name} is of a version that was tried with its private parts`, (t) => {
    const copies = installed(name);
    t.ok(copies.length > 0, "it is installed");
    for (const { path, version } of copies) {
      t.ok(isTried(version, ranges), `${path}: ${version} is one of ${ranges.join(", ")}`);
    }
    for (const file of ["server/package.json", "emitter/package.json"]) {
      const { dependencies } = JSON.parse(read(file)) as { dependencies: Record<string, string> };
      const range = dependencies[name];
      if (range === undefined) continue;
      t.match(range, /^~/, `${file} allows no other minor version`);
      t.ok(isTried(range.slice(1), ranges), `${file} asks for ${range}`);
    }
    t.end();
  });
}

// Engine.IO's own type of it is not exported.
type EngineRequest = Parameters<(typeof transports)["polling"]>[0];

/** A stock Socket.IO server with its Redis adapter, and a WebSocket client. */
async function stockParts(t: Test): Promise<Readonly<Record<string, unknown>>> {
  const redis = { on: ignore, off: ignore, pSubscribe: ignore, pUnsubscribe: ignore };
  const client = { ...redis, subscribe: ignore, unsubscribe: ignore, publish: ignore };
  const http = createServer();
  const io = new Server(http, {
    adapter: createAdapter(client, client),
    connectionStateRecovery: {},
    perMessageDeflate: false,
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.teardown(() => io.close());
  const connecting = new Promise((resolve) => {
    io.once("connection", (socket) => {
      // The client waits for it.
      socket.emit("connected", { event: "connected" });
      resolve(socket);
    });
  });
  const { port } = http.address() as AddressInfo;
  const student = await rawSocketIo(`http://127.0.0.1:${port}`, "/socket.io/");
  t.teardown(() => student.close());
  const socket = await connecting;
  const engineSocket = at(socket, "conn");
  const transport = at(engineSocket, "transport");
  const net = at(transport, "socket", "_socket");
  const request = at(engineSocket, "request") as EngineRequest;
  return {
    "engine.io Server": at(engineSocket, "server"),
    "engine.io Socket": engineSocket,
    "engine.io Transport": transport,
    "engine.io polling Transport": transports.polling(request),
    "engine.io request": request,
    "socket.io Socket": socket,
    "socket.io Client": at(socket, "client"),
    "socket.io-parser Decoder": at(socket, "client", "decoder"),
    "@socket.io/redis-adapter RedisAdapter": io.of("/").adapter,
    "ws WebSocket": at(transport, "socket"),
    "ws Receiver": at(transport, "socket", "_receiver"),
    "ws WebSocketServer's options": at(engineSocket, "server", "ws", "options"),
    "node EventEmitter": net,
    "node net.Socket": net,
    "node net.Socket's `_writableState`": at(net, "_writableState"),
    "node net.Socket's handle": at(net, "_handle"),
  };
}

function ignore(): void {
  // Nobody is told anything.
}

function at(object: unknown, ...members: readonly string[]): unknown {
  return members.reduce<unknown>(
    (found, member) => (found as Record<string, unknown> | undefined)?.[member],
    object,
  );
}

void t.test("every private member is where it is used", async (t) => {
  const parts = await stockParts(t);
  t.ok(MEMBERS.length > 0);
  for (const { package: name = "", of = "", member = "", is, "what for": use } of MEMBERS) {
    const part = parts[`${name} ${of}`];
    const message = `${name}: ${member} of ${of} (${String(use)})`;
    t.ok(typeof part === "object" && part !== null && member in part, message);
    t.equal(typeof at(part, member), is, message);
  }
});

/** A plain WebSocket has no more. Of `request`, our handshake reads the URL. */
const USED_OF_A_CONNECTION = [
  ...["close", "id", "on", "once", "protocol", "readyState", "removeListener", "request"],
  ...["transport", "write"],
];

void t.test("Socket.IO uses nothing of a connection that a plain WebSocket lacks", (t) => {
  const require = createRequire(join(root, "server/package.json"));
  const dist = join(require.resolve("socket.io"), "..");
  const used = ["client.js", "socket.js", "namespace.js", "index.js"].flatMap((file) =>
    [...readFileSync(join(dist, file), "utf8").matchAll(/\bconn\.(\w+)/g)].map(([, name]) => name),
  );
  // What only `buildHandshake` reads, which is not called for ours.
  const ours = new Set(used.filter((name) => name !== "remoteAddress"));
  t.strictSame([...ours].sort(), USED_OF_A_CONNECTION);
  t.end();
});

void t.test("the list names files that are there, and members that they use", (t) => {
  for (const row of [...MEMBERS, ...HABITS]) {
    const { "used in": usedIn = row["relied on in"] ?? "", "pinned by": pinnedBy = "" } = row;
    t.ok(SOURCES.includes(usedIn), usedIn);
    t.match(pinnedBy, /^test\/.*\.test\.ts$/);
    t.ok(existsSync(join(root, pinnedBy)), pinnedBy);
    const { package: name = "", member } = row;
    t.ok(name === "node" || VERSIONS.some((it) => it["package"] === name), `${name} has a version`);
    if (member) t.match(read(usedIn), new RegExp(`\\b${member}\\b`), `${member} in ${usedIn}`);
  }
  t.end();
});

void t.test("every file that reaches into a package is on the list", (t) => {
  const listed = new Set(MEMBERS.map((row) => row["used in"]));
  const reaching = SOURCES.filter((file) => /^(export )?interface \w+Seam\b/m.test(read(file)));
  t.ok(reaching.length > 0);
  t.strictSame(
    reaching.filter((file) => !listed.has(file)),
    [],
  );
  t.end();
});

void t.test("prototypes of other packages are changed in one file", (t) => {
  t.strictSame(
    SOURCES.filter((file) => /\.prototype\b/.test(read(file))),
    ["server/src/edge/engine-io/prototypes.ts"],
  );
  t.end();
});
