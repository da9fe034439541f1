/** Forms of a request that mean the same (PROTOCOL.md, section 2), and answers to what is not spoken here. */
import { SignJWT } from "jose";
import t from "tap";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { eventually } from "../helpers/eventually.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";
import { startServer } from "../helpers/processes/server-process.js";

const SESSION = "/ws/session/a/student/";
const SECRET = "s".repeat(40);
const HANDSHAKE = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];

const asking = (protocol: string) => ["Connection: Upgrade", `Upgrade: ${protocol}`, ...HANDSHAKE];

/** What is sent, and what has to be in its answer. */
const SENT: Readonly<Record<string, readonly [sent: string, answer: string]>> = {
  "a plain WebSocket by an absolute URL": [upgradeHead(`http://h${SESSION}`), "connected"],
  "by one with a port and a query": [upgradeHead(`HTTP://h:80${SESSION}?offset=`), '"offset"'],
  "Socket.IO by an absolute URL": [
    upgradeHead(`https://h${SESSION}?EIO=4&transport=websocket`),
    '"maxPayload"',
  ],
  "polling by an absolute URL": [
    requestHead("GET", `http://h${SESSION}?EIO=4&transport=polling`, []),
    '"maxPayload"',
  ],
  "the state of a session by an absolute URL": [
    requestHead("GET", "http://h/sessions/a", []),
    "HTTP/1.1 200",
  ],
  "an absolute URL without a path": [requestHead("GET", "http://h", []), "HTTP/1.1"],
  "HTTP/2 that is not spoken here": [
    requestHead("GET", "/sessions/a", asking("h2c")),
    "HTTP/1.1 200",
  ],
  "TLS that is not spoken here": [
    requestHead("GET", "/sessions/a", ["Connection: Upgrade", "Upgrade: TLS/1.0"]),
    "HTTP/1.1 200",
  ],
  "one of several protocols": [
    requestHead("GET", "/sessions/a", asking("h2c, websocket")),
    "HTTP/1.1 200",
  ],
  "WebSocket among several": [requestHead("GET", SESSION, asking("h2c, WebSocket")), "connected"],
  "Socket.IO among several": [
    requestHead("GET", `${SESSION}?EIO=4&transport=websocket`, asking("websocket, h2c")),
    '"maxPayload"',
  ],
  "a WebSocket by its own absolute URL": [upgradeHead(`ws://h${SESSION}`), "connected"],
  "HTTP/1.0, which knows of no upgrade": [
    upgradeHead(SESSION).replace("HTTP/1.1", "HTTP/1.0"),
    "HTTP/1.1 426",
  ],
  "a target that is neither path nor URL": [
    requestHead("GET", "ftp://h/sessions/a", []),
    "HTTP/1.1 400",
  ],
  "a star that is not for OPTIONS": [requestHead("GET", "*", []), "HTTP/1.1 400"],
  "two hosts": [requestHead("GET", "/sessions/a", ["Host: another"]), "HTTP/1.1 400"],
  "two hosts of an upgrade": [
    upgradeHead(SESSION).replace("Host", "Host: another\r\nHost"),
    "HTTP/1.1 400",
  ],
  "a body that is compressed on its way": [
    requestHead("POST", "/sessions/a/events", ["Transfer-Encoding: gzip, chunked"]),
    "HTTP/1.1 501",
  ],
  "WebSocket in capitals": [requestHead("GET", SESSION, asking("WebSocket")), "connected"],
  "a tunnel": [requestHead("CONNECT", "h:443", []), "HTTP/1.1 400"],
};

void t.test("a request in one of its forms is answered", async (t) => {
  const server = await startInProcess(t);
  for (const [what, [sent, answer]] of Object.entries(SENT)) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(sent);
    t.match(await client.until(answer), answer, what);
    t.equal((await fetch(`${server.url}/healthz`)).status, 200, "the server lives");
  }
});

/** What each URL is asked for by; its other methods, and what a method that is in no URL is told, follow. */
const ALLOWED: Readonly<Record<string, string>> = {
  "/": "GET, HEAD, OPTIONS",
  "/socket.io/socket.io.js": "GET, HEAD, OPTIONS",
  "/healthz": "GET, HEAD, OPTIONS",
  "/readyz": "GET, HEAD, OPTIONS",
  "/sessions/a": "GET, HEAD, OPTIONS",
  "/sessions/a/events": "GET, HEAD, POST, OPTIONS",
  "/sessions/a/events/": "GET, HEAD, POST, OPTIONS",
};

void t.test("each URL says by which methods it is asked for", async (t) => {
  const { url } = await startInProcess(t, { PUBLISH_KEYS: "a-key-of-a-service" });
  for (const [path, allow] of Object.entries(ALLOWED)) {
    const ask = (method: string) => fetch(`${url}${path}`, { method });
    const told = await ask("OPTIONS");
    t.strictSame([told.status, told.headers.get("allow")], [204, allow], path);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      if (allow.includes(method)) continue;
      const answer = await ask(method);
      t.strictSame([answer.status, answer.headers.get("allow")], [405, allow], `${method} ${path}`);
      t.match(answer.headers.get("content-type"), /^application\/problem\+json/);
      t.match(await answer.json(), { code: "method_not_allowed", detail: method });
    }
    t.equal((await ask("HEAD")).status, (await ask("GET")).status, "HEAD is as GET");
  }
  const off = await startInProcess(t, { DEMO: "off" });
  const found = ["/", "/app.js", "/sample-capture.svg", "/socket.io/socket.io.js", "/favicon.ico"];
  const answers = found.map(async (path) => (await fetch(`${off.url}${path}`)).status);
  t.strictSame(await Promise.all(answers), [404, 404, 404, 200, 200], "no page where DEMO is off");
  const there = await fetch(`${url}${SESSION}`, { method: "OPTIONS" });
  t.equal(there.headers.get("allow"), "GET, HEAD, POST, OPTIONS");
  for (const [method, status] of [
    ["OPTIONS", 404],
    ["DELETE", 404],
    ["PROPFIND", 501],
  ] as const) {
    t.equal((await fetch(`${url}/nowhere`, { method })).status, status, method);
  }
  for (const path of ["/ws/session/a/admin", "/ws/session/a.b/student", "/sessions/a.b/events"]) {
    t.equal((await fetch(`${url}${path}`, { method: "OPTIONS" })).status, 404, path);
  }
  const asterisk = await RawBytes.open(url);
  t.teardown(() => asterisk.socket.destroy());
  asterisk.send(requestHead("OPTIONS", "*", []));
  t.match(await asterisk.until("\r\n\r\n"), /^HTTP\/1.1 204 .*allow: GET, HEAD, POST, OPTIONS/s);
  asterisk.send(requestHead("GET", "/healthz", []));
  await asterisk.until('"status":"ok"');
  const page = { origin: "https://school.example", "access-control-request-method": "POST" };
  const preflight = await fetch(`${url}/sessions/a/events`, { method: "OPTIONS", headers: page });
  t.equal(preflight.headers.get("access-control-allow-origin"), "*", "a page may ask as before");
});

void t.test("no refusal is without a word", async (t) => {
  const { url } = await startInProcess(t);
  const polling = await openPolling(url, SESSION);
  t.teardown(() => polling.raw.socket.destroy());
  const body = ["Content-Length: 1"];
  const refused: Readonly<Record<string, readonly [status: number, ...sent: string[]]>> = {
    "the rest of a file behind its end": [416, requestHead("GET", "/", ["Range: bytes=9999999-"])],
    "a body of polling that is compressed": [
      415,
      polling.head("POST", [...body, "Content-Encoding: gzip"]),
      "3",
    ],
    "a body of polling in octets": [
      415,
      polling.head("POST", [...body, "Content-Type: application/octet-stream"]),
      "3",
    ],
  };
  for (const [what, [status, ...sent]] of Object.entries(refused)) {
    const client = await RawBytes.open(url);
    client.send(...sent);
    await client.ended();
    t.match(client.received, new RegExp(`^HTTP/1.1 ${String(status)} `), what);
    t.match(client.received, /content-type: application\/problem\+json.*"code":"\w+"/is, what);
  }
  t.equal(await polling.postNow("3"), 200, "the connection of polling goes on");
});

void t.test("what a byte order mark stands before is JSON all the same", async (t) => {
  const { url } = await startInProcess(t);
  const event = { event: "important", note: "caf\u00e9", capture_url: null };
  const answer = await fetch(`${url}/sessions/a/events`, {
    method: "POST",
    headers: {
      "content-type": 'application/json; Charset="UTF-8"',
      "content-encoding": "identity",
    },
    body: `\ufeff${JSON.stringify(event)}`,
  });
  t.equal(answer.status, 202);
  const history = await fetch(`${url}/sessions/a/events?role=student`);
  t.match(await history.json(), { events: [{ event }] }, "and is stored without it");
});

void t.test("a request for another protocol is not the last on its connection", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const client = await RawBytes.open(server.url);
  t.teardown(() => client.socket.destroy());
  client.send(requestHead("GET", "/sessions/a", asking("h2c")));
  // Node.js loses what comes in the same segment, with every such request.
  await client.until("HTTP/1.1 200");
  client.send(requestHead("GET", "/sessions/a", []));
  await client.until("HTTP/1.1 200", 2);
  t.pass();
});

void t.test("a token that is offered as a subprotocol does not come back", async (t) => {
  const server = await startServer({ env: { JWT_SECRET: SECRET } });
  t.teardown(() => server.stop());
  const token = await new SignJWT({ session_id: "a", role: "student" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
  for (const [offered, answered] of [
    [token, undefined],
    [`${token}, bearer`, "bearer"],
    ["json", undefined],
  ] as const) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    const headers = [...asking("websocket"), `Sec-WebSocket-Protocol: ${offered}`];
    client.send(requestHead("GET", `${SESSION}?token=${token}`, headers));
    await client.until("connected");
    t.equal(
      /sec-websocket-protocol: (.*)\r\n/i.exec(client.received)?.[1],
      answered,
      offered.slice(0, 9),
    );
    t.notOk(client.received.includes(token));
  }
});

void t.test("an upgrade is a request like any other", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const cases = {
    "HTTP/1.1 400": upgradeHead(SESSION).replace(/Host: .*\r\n/, ""),
    "HTTP/1.1 417": requestHead("GET", SESSION, [...asking("websocket"), "Expect: a miracle"]),
    "HTTP/1.1 101": requestHead("GET", SESSION, [...asking("websocket"), "Expect: 100-continue"]),
  };
  for (const [answer, sent] of Object.entries(cases)) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(sent);
    t.ok((await client.until("\r\n\r\n")).startsWith(answer), answer);
  }
});

void t.test("an upgrade does not overtake the requests ahead of it", async (t) => {
  const lines: string[] = [];
  const server = await startServer({ onLine: (line) => void lines.push(line) });
  t.teardown(() => server.stop());
  const polling = await openPolling(server.url, SESSION);
  const { socket } = polling.raw;
  t.teardown(() => socket.destroy());
  await polling.postNow("40");
  await polling.statusOfPoll();
  const client = await RawBytes.open(server.url);
  t.teardown(() => client.socket.destroy());
  // A poll that has nothing to be answered with yet.
  client.send(polling.head("GET", []) + upgradeHead(SESSION));
  await client.ended();
  t.equal(client.received, "", "nothing is answered out of turn");
  await eventually(() => {
    return Promise.resolve(lines.some((line) => line.includes("requests ahead of it")));
  });
});

void t.test("nothing that is told of a class is kept on its way", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const kept = async (path: string) => {
    const answer = await fetch(`${server.url}${path}`);
    await answer.text();
    return answer.headers.get("cache-control");
  };
  for (const path of ["/sessions/a", "/sessions/a/events?role=student", "/readyz", "/nowhere"]) {
    t.equal(await kept(path), "no-store", path);
  }
  const refused = {
    "a URL that cannot be decoded": requestHead("GET", "/sessions/%ff", []),
    "what is not HTTP": "nothing of the kind\r\n\r\n",
    "an expectation": requestHead("GET", "/sessions/a", ["Expect: a miracle"]),
    "an upgrade where nothing is": upgradeHead("/nowhere"),
    "a connection that there is not": requestHead(
      "GET",
      `${SESSION}?EIO=4&transport=polling&sid=x`,
      [],
    ),
  };
  for (const [what, sent] of Object.entries(refused)) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(sent);
    t.match(await client.until("\r\n\r\n"), /\r\ncache-control: no-store\r\n/i, what);
  }
  t.match(await kept("/socket.io/socket.io.js"), /^public, max-age=3600/, "but files are");
});
