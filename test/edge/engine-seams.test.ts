/**
 * Private parts of engine.io that the server relies on. Where an upgrade of engine.io changes one, this fails by its
 * name, and not some promise far away.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, Socket as NetSocket } from "node:net";
import { Server as EngineServer } from "engine.io";
import t, { type Test } from "tap";
import {
  engineConnection,
  startInProcess,
  type EngineConnection,
} from "../helpers/processes/app-in-process.js";
import { rawSocketIo } from "../helpers/clients/raw-socket-io.js";

/** A connection of a WebSocket to engine.io as it comes. */
async function stockConnection(t: Test) {
  const server = createServer();
  const engine = new EngineServer();
  engine.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  t.teardown(() => {
    engine.close();
    server.close();
  });
  const connecting = once(engine, "connection") as Promise<[EngineConnection]>;
  const url = `http://127.0.0.1:${port}`;
  const client = await rawSocketIo(url, "/engine.io/", { join: false });
  t.teardown(() => client.close());
  const [connection] = await connecting;
  return { engine, connection };
}

/** The same in the product. */
async function ourConnection(t: Test) {
  const app = await startInProcess(t);
  const client = await rawSocketIo(app.url, `/ws/session/${randomUUID()}/student/`);
  t.teardown(() => client.close());
  return { engine: app.engineIo, connection: engineConnection(app.sockets()[0]) };
}

function errorListeners({ transport }: EngineConnection): string[] {
  return transport.socket.listeners("error").map(({ name }) => name);
}

for (const [name, start] of [
  ["engine.io", stockConnection],
  ["the server", ourConnection],
] as const) {
  void t.test(`the private parts of ${name} are where they are used`, async (t) => {
    const { engine, connection } = await start(t);
    const { transport } = connection;
    t.equal(connection.readyState, "open", "readyState");
    t.equal(transport.name, "websocket", "transport.name");
    t.equal(transport.writable, true, "transport.writable");
    t.ok(transport.socket._socket instanceof NetSocket, "transport.socket._socket");
    t.ok("perMessageDeflate" in transport, "transport.perMessageDeflate");
    t.notOk(transport.perMessageDeflate, "a WebSocket does not compress, unless told to");
    t.strictSame(connection.writeBuffer, [], "writeBuffer");
    t.equal(connection.pingTimeoutTimer, null, "pingTimeoutTimer: no ping is out");
    t.type(connection.hasRefreshedPingTimeout, "boolean", "hasRefreshedPingTimeout");
    t.type(connection.sendPacket, "function", "sendPacket");
    t.type(connection.resetPingTimeout, "function", "resetPingTimeout");
    const { ws, onWebSocket } = engine as unknown as {
      ws: { handleUpgrade: unknown };
      onWebSocket: unknown;
    };
    t.type(ws.handleUpgrade, "function", "ws");
    t.type(onWebSocket, "function", "onWebSocket");
    t.type(connection.schedulePing, "function", "schedulePing");
  });
}

void t.test("a ping puts its timer where it is looked for", async (t) => {
  const { connection } = await stockConnection(t);
  (connection.resetPingTimeout as () => void).call(connection);
  t.not(connection.pingTimeoutTimer, null, "pingTimeoutTimer");
  const packets = once(connection, "packet") as Promise<[{ type: string }]>;
  (connection.sendPacket as (type: string) => void).call(connection, "ping");
  const [{ type }] = await packets;
  t.equal(type, "pong", "the client has answered");
  t.equal(connection.pingTimeoutTimer, null, "and the timer is gone");
});

void t.test("what engine.io keeps for each connection is gone from ours", async (t) => {
  const { connection: stock } = await stockConnection(t);
  t.ok(stock.pingIntervalTimer, "engine.io: pingIntervalTimer");
  t.equal(stock.transport.listenerCount("headers"), 1, "engine.io: the listener of `headers`");
  t.ok(errorListeners(stock).includes("onUpgradeError"), "engine.io: onUpgradeError");

  const { connection: ours } = await ourConnection(t);
  t.equal(ours.pingIntervalTimer, null, "pingIntervalTimer");
  t.equal(ours.transport.listenerCount("headers"), 0, "no listener of `headers`");
  t.strictSame(errorListeners(ours), ["bound onError"], "an error is heard by the transport alone");
});
