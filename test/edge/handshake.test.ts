import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { shortenHandshakes } from "../../server/dist/edge/engine-io/prototypes.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";

/** The handshake of a stock client, as a middleware of a stock server sees it. */
async function handshakeWith(t: Test, prepare: (server: Server) => void) {
  const http = createServer();
  const server = new Server(http);
  prepare(server);
  const middleware = new Promise<Socket["handshake"]>((resolve) => {
    server.use((socket, next) => {
      resolve(socket.handshake);
      next();
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const client = io(`http://127.0.0.1:${port}/`, {
    transports: ["websocket"],
    query: { room: "101" },
    auth: { token: "secret" },
    forceNew: true,
  });
  t.teardown(async () => {
    client.close();
    await server.close();
  });
  return middleware;
}

void t.test("a handshake says what admission reads, and no more", async (t) => {
  const { url, query, auth, headers, time, address } = await handshakeWith(t, shortenHandshakes);
  t.match(url, /^\/socket\.io\/\?.*room=101/);
  t.match(query, { room: "101", EIO: "4" });
  t.strictSame(auth, { token: "secret" });
  t.strictSame({ headers, time, address }, { headers: {}, time: "", address: "" });
});

void t.test("other servers in the process keep theirs", async (t) => {
  const { url, query, auth, headers, time, address } = await handshakeWith(t, () => undefined);
  t.match(url, /^\/socket\.io\/\?.*room=101/);
  t.match(query, { room: "101", EIO: "4" });
  t.strictSame(auth, { token: "secret" });
  t.match(headers, { upgrade: "websocket" });
  t.not(time, "");
  t.match(address, /127\.0\.0\.1$/);
});

void t.test("whoever speaks another revision of Engine.IO is told so", async (t) => {
  const { url } = await startInProcess(t);
  const path = "/ws/session/old/student/?EIO=3&transport=websocket";
  const client = new WebSocket(url.replace("http", "ws") + path);
  t.teardown(() => {
    client.terminate();
  });
  const [code] = (await once(client, "close")) as [number];
  t.equal(code, 1002, "a protocol error, by RFC 6455");
});
