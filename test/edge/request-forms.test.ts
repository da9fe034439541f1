/** Forms of a request that mean the same (PROTOCOL.md, section 2), and answers to what is not spoken here. */
import { METHODS as HTTP_METHODS } from "node:http";
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

const POLLING = "?EIO=4&transport=polling";
/** What each URL is asked for by; `undefined` where nothing is. Its other methods, and those of nobody, follow. */
const ALLOWED: Readonly<Record<string, string | undefined>> = {
  "/": "GET, HEAD, OPTIONS",
  "/favicon.ico": "GET, HEAD, OPTIONS",
  "/socket.io/socket.io.js": "GET, HEAD, OPTIONS",
  "/docs": "GET, HEAD, OPTIONS",
  "/docs/openapi.json": "GET, HEAD, OPTIONS",
  "/healthz": "GET, HEAD, OPTIONS",
  "/readyz": "GET, HEAD, OPTIONS",
  "/sessions/a": "GET, HEAD, OPTIONS",
  "/sessions/a/events": "GET, HEAD, POST, OPTIONS",
  "/sessions/a/events/": "GET, HEAD, POST, OPTIONS",
  [SESSION]: "GET, HEAD, OPTIONS",
  [SESSION.slice(0, -1)]: "GET, HEAD, OPTIONS",
  [`${SESSION}${POLLING}&sid=x`]: "GET, POST, OPTIONS",
  "/socket.io/": "GET, HEAD, OPTIONS",
  [`/socket.io/${POLLING}&sid=x`]: "GET, POST, OPTIONS",
  "/nowhere": undefined,
  "/docs/nothing": undefined,
  "/socket.io/nothing.js": undefined,
  "/ws/session/a/admin/": undefined,
  [`/ws/session/a/admin/${POLLING}`]: undefined,
  "/ws/session/a.b/student/": undefined,
  "/sessions/a.b": undefined,
  "/sessions/a.b/events": undefined,
  [`/sessions/${"a".repeat(200)}`]: undefined,
  [`/ws/session/${"a".repeat(200)}/student/`]: undefined,
  "/%zz": undefined,
  "/sessions/%ff/events": undefined,
  "/ws/session/%zz/student/": undefined,
};
/** Of which the last are nowhere: Node.js knows one of them, and some versions of it another. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"];
const NOBODYS = ["PROPFIND", "QUERY", "BREW"];
const PAGE = "https://school.example";
/** Nothing in it is looked at before its method is. */
const BODY = ["Content-Type: no/such;thing=", "Content-Length: 2"];

void t.test("each URL says by which methods it is asked for, to a page as well", async (t) => {
  const { url } = await startInProcess(t, { ALLOWED_ORIGINS: PAGE });
  const ask = async (method: string, path: string) => {
    const body = /^(GET|HEAD|OPTIONS)$/.test(method) ? [] : BODY;
    const client = await RawBytes.open(url);
    const headers = [`Origin: ${PAGE}`, "Connection: close", ...body];
    client.send(requestHead(method, path, headers), ...(body.length > 0 ? ["{}"] : []));
    await client.ended();
    const [head = "", text = ""] = client.received.split("\r\n\r\n");
    const header = (name: string) => new RegExp(`^${name}: (.*)\r?$`, "im").exec(head)?.[1];
    return { status: Number(head.slice(9, 12)), header, text };
  };
  for (const [path, allow] of Object.entries(ALLOWED)) {
    for (const method of [...METHODS, ...NOBODYS]) {
      const { status, header, text } = await ask(method, path);
      const what = `${method} ${path.slice(0, 60)}: ${String(status)}`;
      const wanted = statusOf(method, allow);
      if (wanted !== undefined) t.equal(status, wanted, what);
      else t.notOk([404, 405, 501].includes(status), what);
      t.equal(header("allow"), [204, 405].includes(status) ? allow : undefined, `${what}: Allow`);
      if (status < 400) continue;
      t.equal(header("cache-control"), "no-store", what);
      // Who polls where there is no connection is told so in Engine.IO's words.
      const isProblem = wanted !== undefined || !path.includes("sid=");
      t.equal(header("content-type")?.startsWith("application/problem+json"), isProblem, what);
      if (isProblem && method !== "HEAD")
        t.match(JSON.parse(text), { status, code: /^\w+$/ }, what);
      // What Node.js does not know it does not read.
      const page = HTTP_METHODS.includes(method) ? PAGE : undefined;
      t.equal(header("access-control-allow-origin"), page, `${what}: a page may read it`);
    }
    if (allow?.includes("HEAD") !== true) continue;
    const [head, get] = await Promise.all([ask("HEAD", path), ask("GET", path)]);
    t.equal(head.status, get.status, `HEAD is as GET: ${path}`);
  }
  const off = await startInProcess(t, { DEMO: "off" });
  const found = ["/", "/app.js", "/sample-capture.svg", "/socket.io/socket.io.js", "/favicon.ico"];
  const answers = found.map(async (path) => (await fetch(`${off.url}${path}`)).status);
  t.strictSame(await Promise.all(answers), [404, 404, 404, 200, 200], "no page where DEMO is off");
  const asterisk = await RawBytes.open(url);
  t.teardown(() => asterisk.socket.destroy());
  asterisk.send(requestHead("OPTIONS", "*", []));
  t.match(await asterisk.until("\r\n\r\n"), /^HTTP\/1.1 204 .*allow: GET, HEAD, POST, OPTIONS/s);
  asterisk.send(requestHead("GET", "/healthz", []));
  await asterisk.until('"status":"ok"');
  const misused = await RawBytes.open(url);
  misused.send(requestHead("GET", "/healthz", [`Origin: ${PAGE}`, "Expect: a miracle"]));
  await misused.ended();
  t.match(misused.received, /^HTTP\/1.1 417 /);
  t.match(misused.received, new RegExp(`^access-control-allow-origin: ${PAGE}\r$`, "im"));
  const page = { origin: PAGE, "access-control-request-method": "POST" };
  const preflight = await fetch(`${url}/sessions/a/events`, { method: "OPTIONS", headers: page });
  t.equal(preflight.headers.get("access-control-allow-origin"), PAGE, "a page may ask as before");
  t.match(preflight.headers.get("access-control-allow-methods"), "POST");
});

/** Of whatever cannot be foreseen by the methods alone: `undefined`. */
function statusOf(method: string, allow: string | undefined): number | undefined {
  const isKnown = method === "QUERY" ? HTTP_METHODS.includes(method) : METHODS.includes(method);
  if (!isKnown) return 501;
  if (allow === undefined) return 404;
  if (method === "OPTIONS") return 204;
  return allow.split(", ").includes(method) ? undefined : 405;
}

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
