import { randomUUID } from "node:crypto";
import t from "tap";
import { requestHead, RawBytes, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { openFiles } from "../helpers/open-files.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalCodes } from "./helpers/refusal-log.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const KEY = "a-key-of-a-service";
const SESSION = `/ws/session/${randomUUID()}/student/`;
const POLLING = `${SESSION}?EIO=4&transport=polling`;
const EVENTS = `/sessions/${randomUUID()}/events`;
const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"];
const AUTHORIZED = [`Authorization: Bearer ${KEY}`, "Content-Type: application/json"];
const AS_MANY = 10;

/** Every way in which a handshake or a request is refused, and what its answer begins with. */
const REFUSED: Readonly<Record<string, readonly [sent: string, answer: string]>> = {
  "no session": [requestHead("GET", "/ws/session/a.b/student/?EIO=4", []), "HTTP/1.1 404"],
  "no WebSocket": [requestHead("GET", SESSION, []), "HTTP/1.1 426"],
  "an unknown sid": [requestHead("GET", `${POLLING}&sid=x`, []), "HTTP/1.1 400"],
  "an unknown transport": [requestHead("GET", `${SESSION}?EIO=4&transport=x`, []), "HTTP/1.1 400"],
  "a POST first": [requestHead("POST", POLLING, ["Content-Length: 0"]), "HTTP/1.1 400"],
  "an old Engine.IO": [requestHead("GET", POLLING.replace("EIO=4", "EIO=3"), []), "HTTP/1.1"],
  "an upgrade to nothing": [upgradeHead("/nothing"), "HTTP/1.1 404"],
  "an upgrade of an unknown sid": [
    upgradeHead(`${SESSION}?EIO=4&transport=websocket&sid=x`),
    "HTTP/1.1 400",
  ],
  "an upgrade of an old Engine.IO": [
    upgradeHead(`${SESSION}?EIO=3&transport=websocket`),
    "HTTP/1.1 400",
  ],
  "a WebSocket without a key": [requestHead("GET", SESSION, UPGRADE), "HTTP/1.1 400"],
  "one of Socket.IO without a key": [
    requestHead("GET", `${SESSION}?EIO=4&transport=websocket`, UPGRADE),
    "HTTP/1.1 400",
  ],
  "another protocol": [
    requestHead("GET", SESSION, ["Connection: Upgrade", "Upgrade: h2c"]),
    "HTTP/1.1",
  ],
  "what is no HTTP": ["\u0000\u0001 nonsense\r\n\r\n", "HTTP/1.1 400"],
  "no path": [requestHead("GET", "/nothing", []), "HTTP/1.1 404"],
  "no key": [requestHead("POST", EVENTS, ["Content-Length: 0"]), "HTTP/1.1 401"],
  "no JSON": [
    `${requestHead("POST", EVENTS, [...AUTHORIZED, "Content-Length: 1"])}x`,
    "HTTP/1.1 400",
  ],
};

void t.test("whoever is refused is disconnected, whatever it does itself", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: KEY } });
  t.teardown(() => server.stop());
  const before = openFiles(server.pid);
  for (const [what, [sent, answer]] of Object.entries(REFUSED)) {
    const clients = await Promise.all(
      Array.from({ length: AS_MANY }, () => RawBytes.open(server.url, { allowHalfOpen: true })),
    );
    t.teardown(() => clients.map(({ socket }) => socket.destroy()));
    for (const client of clients) client.send(sent);
    await Promise.all(clients.map((client) => client.ended()));
    t.match(clients[0]?.received, answer, what);
  }
  await eventually(() => Promise.resolve(openFiles(server.pid) <= before));
});

void t.test("what does not come in time is answered 408, and cut", async (t) => {
  const env = { PUBLISH_KEYS: KEY, HEADERS_TIMEOUT_MS: "700", REQUEST_TIMEOUT_MS: "1500" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const opened = await fetch(`${server.url}${POLLING}`);
  const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
  const chunked = [...AUTHORIZED, "Transfer-Encoding: chunked"];
  const slow: Readonly<Record<string, readonly [first: string, then: string]>> = {
    // First: a client that does not connect is sent away after a while.
    "the body of a poll": [
      requestHead("POST", `${POLLING}&sid=${encodeURIComponent(sid)}`, ["Content-Length: 900"]),
      "4",
    ],
    "nothing at all": ["", ""],
    "headers, byte by byte": ["GET / HTTP/1.1\r\nHost: test\r\nX: ", "x"],
    "a body that never begins": [
      requestHead("POST", EVENTS, [...AUTHORIZED, "Content-Length: 9"]),
      "",
    ],
    "a body, byte by byte": [
      requestHead("POST", EVENTS, [...AUTHORIZED, "Content-Length: 900"]),
      " ",
    ],
    "a body, chunk by chunk": [requestHead("POST", EVENTS, chunked), "1\r\n \r\n"],
  };
  for (const [what, [first, then]] of Object.entries(slow)) {
    const client = await RawBytes.open(server.url, { allowHalfOpen: true });
    client.send(first);
    const drip = setInterval(() => {
      client.send(then);
    }, 50);
    await client.ended();
    clearInterval(drip);
    client.socket.destroy();
    t.match(client.received, "HTTP/1.1 408", what);
  }
  t.ok(refusalCodes(server).has("request_timeout"), "and it is logged");
});

void t.test("nothing is read of a request that has been answered", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: KEY } });
  t.teardown(() => server.stop());
  const endless = "Content-Length: 100000000000";
  const requests = {
    401: requestHead("POST", EVENTS, [endless]),
    413: requestHead("POST", EVENTS, [...AUTHORIZED, endless]),
    404: requestHead("POST", "/nothing", [endless]),
    400: requestHead("POST", `${POLLING}&sid=x`, [endless]),
    200: requestHead("GET", "/healthz", [endless]),
    "404 ": upgradeHead("/nothing"),
  };
  for (const [status, head] of Object.entries(requests)) {
    const client = await RawBytes.open(server.url, { allowHalfOpen: true });
    client.send(head);
    await client.until(`HTTP/1.1 ${status.trim()}`);
    const taken = await pour(client);
    t.ok(taken < 16e6, `after ${status}: ${(taken / 1e6).toFixed(1)} MB, which the kernels hold`);
  }
});

/** Sends without end, and resolves when the connection has been cut, with how many bytes were taken. */
async function pour({ socket }: RawBytes): Promise<number> {
  const block = Buffer.alloc(1024 * 1024, "x");
  return new Promise((resolve) => {
    let taken = 0;
    socket.once("close", () => {
      resolve(taken);
    });
    const more = () => {
      if (socket.destroyed) return;
      socket.write(block, (error) => {
        if (error) return;
        taken += block.length;
        // A server that reads all of it is found out.
        if (taken > 100e6) socket.destroy();
        else setImmediate(more);
      });
    };
    more();
  });
}

void t.test("a few requests one behind the other are answered in order", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const client = await RawBytes.open(server.url);
  t.teardown(() => client.socket.destroy());
  const paths = ["/healthz", "/readyz", "/sessions/a", "/sessions/b", "/healthz"];
  client.send(...paths.map((path) => requestHead("GET", path, [])));
  await eventually(() => Promise.resolve(client.received.split("HTTP/1.1 200").length > 5));
  const bodies = client.received.match(/ok|ready|"session_id":"."/g);
  t.strictSame(bodies, ["ok", "ready", '"session_id":"a"', '"session_id":"b"', "ok"]);
});

void t.test("who sends very many behind one another is cut, and holds nobody else", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const client = await RawBytes.open(server.url);
  client.send(requestHead("GET", "/sessions/a", []).repeat(10_000));
  await client.ended();
  const answers = client.received.split("HTTP/1.1").length - 1;
  t.ok(answers <= 8, `${String(answers)} answers`);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
  await eventually(() => Promise.resolve(refusalCodes(server).has("too_many_messages")));
});
