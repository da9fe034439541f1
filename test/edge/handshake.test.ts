import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import msgpack from "notepack.io";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { shortenHandshakes } from "../../server/dist/edge/engine-io/prototypes.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
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

const PATH = "/ws/session/a/student/";
const engineIo = (query: string) => `${PATH}?${query}`;
const ORIGIN = "Origin: https://elsewhere.example";

/** Who does not get a connection of Engine.IO, by an upgrade or by a request, with the number that it has for that. */
const REFUSED: Readonly<Record<string, readonly [code: number, sent: string]>> = {
  "a transport that there is not": [0, upgradeHead(engineIo("EIO=4&transport=carrier-pigeon"))],
  "no transport": [0, upgradeHead(engineIo("EIO=4"))],
  "an upgrade of no connection": [1, upgradeHead(engineIo("EIO=4&transport=websocket&sid=x"))],
  "another method": [2, requestHead("PUT", engineIo("EIO=4&transport=polling"), [])],
  "a WebSocket without an upgrade": [
    3,
    requestHead("GET", engineIo("EIO=4&transport=websocket"), []),
  ],
  "long polling by an upgrade": [3, upgradeHead(engineIo("EIO=4&transport=polling"))],
  "another page, by an upgrade": [
    4,
    upgradeHead(engineIo("EIO=4&transport=websocket")).replace("Host", `${ORIGIN}\r\nHost`),
  ],
  "another page": [4, requestHead("GET", engineIo("EIO=4&transport=polling"), [ORIGIN])],
  "another revision, by an upgrade": [5, upgradeHead(engineIo("EIO=3&transport=websocket"))],
  "another revision": [5, requestHead("GET", engineIo("EIO=3&transport=polling"), [])],
  "a revision that there is not": [5, upgradeHead(engineIo("EIO=abc&transport=websocket"))],
};

void t.test("who is refused by Engine.IO is told why in its words", async (t) => {
  const { url } = await startInProcess(t, { ALLOWED_ORIGINS: "https://school.example" });
  for (const [what, [code, sent]] of Object.entries(REFUSED)) {
    const client = await RawBytes.open(url);
    client.send(sent);
    await client.ended();
    const { received } = client;
    t.match(received, code === 4 ? /^HTTP\/1.1 403 / : /^HTTP\/1.1 400 /, what);
    t.match(received, /\r\ncontent-type: application\/json/i, what);
    const answer = /{.*}/.exec(received)?.[0] ?? "{}";
    t.match(JSON.parse(answer), { code, message: /\w/ }, what);
    if (code === 5) t.match(answer, "socket.io-client 3 and newer", "and what is spoken here");
  }
});

void t.test("a WebSocket that is asked for wrongly is refused like any request", async (t) => {
  const { url } = await startInProcess(t);
  const asking = ["Connection: Upgrade", "Upgrade: websocket"];
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const version = "Sec-WebSocket-Version: 13";
  for (const path of [PATH, engineIo("EIO=4&transport=websocket")]) {
    const cases = [
      [400, requestHead("GET", path, [...asking, version]), "Sec-WebSocket-Key"],
      [400, requestHead("GET", path, [...asking, version, "Sec-WebSocket-Key: x"]), "-Key"],
      [
        400,
        requestHead("GET", path, [...asking, version, key, "Sec-WebSocket-Protocol: ,"]),
        "-Protocol",
      ],
      [426, requestHead("GET", path, [...asking, "Sec-WebSocket-Version: 12", key]), "version: 13"],
    ] as const;
    for (const [status, sent, also] of cases) {
      const client = await RawBytes.open(url);
      client.send(sent);
      await client.ended();
      t.match(client.received, new RegExp(`^HTTP/1.1 ${String(status)} `), sent);
      t.match(client.received, also, sent);
      t.match(client.received, /content-type: application\/problem\+json.*"code":"/is, sent);
    }
  }
  const client = await RawBytes.open(url);
  client.send(requestHead("POST", PATH, [...asking, version, key, "Content-Length: 0"]));
  await client.ended();
  t.match(client.received, /^HTTP\/1.1 405 .*allow: GET, HEAD/s);
});

/** How clients with another parser ask to come in, and what they make of the answer. */
const PARSERS = {
  "socket.io-msgpack-parser": {
    encode: (packet: object) => msgpack.encode(packet) as Buffer,
    decode: (data: Buffer) => msgpack.decode(data) as unknown,
  },
  "socket.io-json-parser": {
    encode: (packet: object) => `4${JSON.stringify(packet)}`,
    decode: (data: Buffer): unknown => JSON.parse(data.toString().slice(1)),
  },
};

for (const [parser, { encode, decode }] of Object.entries(PARSERS)) {
  void t.test(`a client with ${parser} is told to leave it out`, async (t) => {
    const app = await startInProcess(t);
    const client = new WebSocket(
      `${app.url.replace("http", "ws")}${engineIo("EIO=4&transport=websocket")}`,
    );
    t.teardown(() => {
      client.terminate();
    });
    const answers = new Inbox<Buffer>();
    client.on("message", (data) => {
      answers.add(data as Buffer);
    });
    await once(client, "open");
    client.send(encode({ type: 0, nsp: "/", data: { token: "x" } }));
    const answer = await answers.next((data) => data.includes("parser"));
    t.match(decode(answer), {
      type: 4,
      nsp: "/",
      data: { message: /leave out the client's option parser/, data: { code: "invalid_request" } },
    });
    // Once: what else it says is junk, as the contract has it, and it may still say it rightly.
    client.send(encode({ type: 0, nsp: "/" }));
    client.send("40");
    await answers.next((data) => data.toString().startsWith('42["connected"'));
    t.equal(answers.items.filter((data) => data.includes("parser")).length, 1);
    t.equal(app.sockets().length, 1);
  });
}
