/** Forms of a request that mean the same (PROTOCOL.md, section 2), and answers to what is not spoken here. */
import { SignJWT } from "jose";
import t from "tap";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { eventually } from "../helpers/eventually.js";
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
  "one of several protocols": [
    requestHead("GET", "/sessions/a", asking("h2c, websocket")),
    "HTTP/1.1 200",
  ],
  "WebSocket in capitals": [requestHead("GET", SESSION, asking("WebSocket")), "connected"],
  "a tunnel": [requestHead("CONNECT", "h:443", []), "HTTP/1.1 400"],
};

for (const [what, [sent, answer]] of Object.entries(SENT)) {
  void t.test(what, async (t) => {
    const server = await startServer();
    t.teardown(() => server.stop());
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(sent);
    if (answer === "") await client.ended();
    else await client.until(answer);
    t.equal((await fetch(`${server.url}/healthz`)).status, 200, "the server lives");
  });
}

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
