/** Who is refused has a line that says why, whom, and where: an operator can tell why somebody heard nothing. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { sign, withSecret, nowS } from "../gate/helpers/issuers.js";
import { frame, OPCODES, RawBytes, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startServer } from "../helpers/processes/server-process.js";

interface Line {
  readonly msg: string;
  readonly code?: string;
  readonly connection?: string;
  readonly [field: string]: unknown;
}

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const lines = new Inbox<Line>();
  const server = await startServer({
    env,
    onLine: (text) => {
      lines.add(JSON.parse(text) as Line);
    },
  });
  t.teardown(() => server.stop());
  const { url } = server;
  let seen = 0;
  /** The next line of a refusal, which is looked for where the last one was: of this session, where that is said. */
  const refused = async (code: string, session?: string): Promise<Line> => {
    const line = await lines.next((one) => {
      if (session !== undefined && one["session"] !== session) return false;
      return one.msg === "refused" && one.code === code && lines.items.indexOf(one) >= seen;
    });
    seen = lines.items.indexOf(line) + 1;
    return line;
  };
  const plain = (path: string, options = {}) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, options);
    socket.on("error", () => undefined);
    t.teardown(() => {
      socket.terminate();
    });
    return socket;
  };
  /** Resolves with what a Socket.IO client is told that is not let in. */
  const stock = async (path: string, auth = {}, transport = "websocket") => {
    const options = { path, auth, transports: [transport], forceNew: true, reconnection: false };
    const socket = io(url, options);
    t.teardown(() => socket.close());
    return new Promise<Error>((resolve) => socket.once("connect_error", resolve));
  };
  return { server, url, lines, refused, plain, stock };
}

const at = (session: string, role: string) => `/ws/session/${session}/${role}/`;
const address = "127.0.0.1";
/** A frame that says that it has 5,000 bytes. */
const ANNOUNCED = Buffer.from([0x81, 0xfe, 5_000 >> 8, 5_000 & 0xff, 0, 0, 0, 0]);

void t.test("a token that does not do: what it is for, and who it was issued to", async (t) => {
  const { signing, env } = await withSecret();
  const { server, url, refused, plain, stock } = await start(t, env);
  const elsewhere = { session_id: "elsewhere", role: "student", sub: "user-42" };
  const token = await sign(signing, elsewhere);
  const old = await sign(signing, { ...elsewhere, exp: nowS() - 60 });
  const here = { session: "here", role: "student", address };
  const its = { user: "user-42", token_session: "elsewhere", token_role: "student" };

  plain(at("here", "student"), { headers: { authorization: `Bearer ${token}` } });
  const why = /^this token is not for this session and role/;
  t.match(await refused("forbidden"), { ...here, ...its, protocol: "plain", why });
  plain(at("here", "student"), { headers: { authorization: `Bearer ${old}` } });
  t.match(await refused("token_expired"), { ...here, ...its, why: /ran out \d+ s ago/ });
  plain(at("here", "student"), { headers: { authorization: "Bearer x.y.z" } });
  t.match(await refused("unauthorized"), {
    ...here,
    why: /signature is wrong|is no token|neither one of/,
  });

  const accept = "text/event-stream";
  await fetch(`${url}${at("here", "student")}`, { headers: { accept } });
  const toSend = { protocol: "event-stream", why: /^a token is needed: send it/ };
  t.match(await refused("unauthorized"), { ...here, ...toSend });

  for (const transport of ["websocket", "polling"]) {
    const error = await stock(at("here", "student"), { token }, transport);
    const line = await refused("forbidden");
    t.match(line, { ...here, ...its, protocol: transport, why: error.message });
    t.type(line.connection, "string");
  }
  await stock(at("here", "student"), { token: old });
  t.match(await refused("token_expired"), { ...here, ...its, protocol: "websocket" });
  const auth = { session_id: "here", role: "student", token };
  await stock("/socket.io/", auth);
  t.match(await refused("forbidden"), { ...here, ...its });

  const headers = { authorization: `Bearer ${token}` };
  await fetch(`${url}/sessions/here/events?role=student`, { headers });
  const byHttp = { session: "here", address, protocol: "http", why: /^this token is not for this/ };
  t.match(await refused("forbidden"), { ...byHttp, ...its });
  await server.stop();
  for (const secret of [token, old, "x.y.z"]) t.notOk(server.output().includes(secret));
});

void t.test("an address of nothing, a bad name, and what is no request", async (t) => {
  const { server, url, refused, plain, stock } = await start(t);
  const why = /^connect to \/ws\/session/;
  plain(`${at("here", "studnet")}?token=a-secret`);
  const typo = { path: "/ws/session/here/studnet/", address, why };
  t.match(await refused("not_found"), { ...typo, protocol: "plain" });
  await stock(at("here", "studnet"), {}, "polling");
  t.match(await refused("not_found"), { ...typo, protocol: "polling" });
  await fetch(`${url}${at("here", "student")}`);
  t.match(await refused("upgrade_required"), {
    session: "here",
    role: "student",
    why: /WebSocket/,
  });
  await fetch(`${url}/sessions/a%20b`);
  t.match(await refused("invalid_session_id"), { path: "/sessions/a", why: /1 to 64/ });
  await fetch(`${url}/${"long".repeat(1_000)}`);
  const { path } = await refused("not_found");
  t.ok(String(path).length < 100);

  const named = { session_id: "a b", role: "student" };
  const noSession = await stock("/socket.io/", named);
  t.match(await refused("invalid_session_id"), { role: "student", why: noSession.message });
  const noRole = await stock("/socket.io/", { session_id: "here", role: "studnet" });
  const line = await refused("invalid_role");
  t.match(line, { session: "here", address, protocol: "websocket", why: noRole.message });
  t.type(line.connection, "string");

  await fetch(`${url}${at("here", "student")}?EIO=4&transport=polling&sid=other~${randomUUID()}`);
  const stray = { session: "here", role: "student", address, protocol: "polling" };
  t.match(await refused("invalid_request"), { ...stray, why: /session id unknown.*NODE_ID/i });
  for (const [bytes, expected] of [
    ["GET / HTTP/9\r\n\r\n", /not a request of HTTP/],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, /headers are too long/],
  ] as const) {
    const raw = await RawBytes.open(url);
    raw.send(Buffer.from(bytes));
    await raw.ended();
    t.match(await refused("invalid_request"), { address, protocol: "http", why: expected });
  }
  await server.stop();
  t.notMatch(server.output(), "a-secret");
});

void t.test("an origin that may not connect, of a limited length", async (t) => {
  const { refused, plain } = await start(t, { ALLOWED_ORIGINS: "https://good.example" });
  plain(at("here", "student"), { origin: "https://bad.example" });
  const line = { origin: "https://bad.example", session: "here", address, why: /ALLOWED_ORIGINS/ };
  t.match(await refused("origin_not_allowed"), line);
  plain(at("here", "student"), { origin: `https://${"x".repeat(4_000)}\u0085.example` });
  const { origin } = await refused("origin_not_allowed");
  t.equal(String(origin).length, 256);
});

void t.test("which limit it was that left no place", async (t) => {
  const { refused, plain } = await start(t, {
    TRUST_PROXY: "1",
    MAX_CONNECTIONS: "3",
    MAX_CONNECTIONS_PER_ADDRESS: "2",
    MAX_CONNECTIONS_PER_ROOM: "1",
  });
  const from = (client: string) => ({ headers: { "x-forwarded-for": client } });
  // Whoever has just been turned away has its place until its socket has gone.
  const join = (session: string, client: string) =>
    eventually(() =>
      once(plain(at(session, "student"), from(client)), "message").then(
        () => true,
        () => false,
      ),
    );
  await join("one", "203.0.113.1");
  plain(at("one", "student"), from("203.0.113.1"));
  const room = { limit: "room", session: "one", role: "student", address: "203.0.113.1" };
  t.match(await refused("too_many_connections"), { ...room, why: /this role in this session/ });
  await join("two", "203.0.113.1");
  plain(at("three", "student"), from("203.0.113.1"));
  const byAddress = { limit: "address", why: /your address/ };
  t.match(await refused("too_many_connections", "three"), byAddress);
  await join("four", "203.0.113.4");
  plain(at("five", "student"), from("203.0.113.5"));
  const byReplica = { limit: "replica", why: /replica is full/ };
  t.match(await refused("too_many_connections", "five"), byReplica);
});

void t.test("who is cut has the same name when it is refused and when it ends", async (t) => {
  const { url, lines, refused } = await start(t);
  const ended = ({ connection }: Line) =>
    lines.next((line) => line.msg === "disconnected" && line.connection === connection);

  const open = async (session: string, query: string) => {
    const raw = await RawBytes.open(url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(`${at(session, "student")}${query}`));
    if (query !== "") raw.send(frame(OPCODES.text, "40"));
    await raw.until('"event":"connected"');
    return raw;
  };
  for (const [protocol, query] of [
    ["plain", ""],
    ["websocket", "?EIO=4&transport=websocket"],
  ] as const) {
    const session = randomUUID();
    const raw = await open(session, query);
    raw.send(ANNOUNCED);
    const line = await refused("too_large");
    t.match(line, { session, role: "student", address, protocol, why: /than 4096 bytes/ });
    t.match(await ended(line), { reason: "too_large", session, protocol });
  }

  const session = randomUUID();
  const raw = await open(session, "?EIO=4&transport=websocket");
  for (let n = 1; n <= 5; n++) raw.send(frame(OPCODES.text, `40/other-${String(n)},`));
  await refused("unknown_namespace");
  const line = await refused("unknown_namespace");
  t.match(line, { session, role: "student", address, protocol: "websocket", why: /no such/ });
  t.match(await ended(line), { reason: "unknown_namespace", session });

  const stranger = await RawBytes.open(url);
  stranger.send(upgradeHead(`${at(session, "teacher")}?EIO=4&transport=websocket`));
  const mistaken = `40/ws/session/${session}/student/,`;
  for (let n = 1; n <= 5; n++) stranger.send(frame(OPCODES.text, mistaken));
  t.match((await refused("unknown_namespace"))["why"], /option path/, "it is told what to look at");
  const unnamed = await refused("unknown_namespace");
  t.match(unnamed, { session, role: "teacher", address });
  t.equal(unnamed.connection, undefined, "who was not let in has no line of its end");
});

void t.test("which limit it was, where a client is told no more than a code", async (t) => {
  const { url, server, refused } = await start(t, {
    CONNECT_TIMEOUT_MS: "200",
    MAX_UNREAD_BYTES: "65536",
  });
  const open = async (query = "") => {
    const raw = await RawBytes.open(url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(`${at("here", "student")}${query}`));
    await raw.until("\r\n\r\n");
    return raw;
  };
  const late = await open("?EIO=4&transport=websocket");
  t.match(await refused("connect_timeout"), { why: /CONNECT_TIMEOUT_MS/ });
  late.socket.destroy();

  const inPieces = await open();
  const piece = (opcode: number) => frame(opcode, "x", { isFinal: false });
  inPieces.send(piece(OPCODES.text));
  for (let n = 0; n < 16; n++) inPieces.send(piece(OPCODES.continuation));
  t.match(await refused("too_many_messages"), { why: /more than 16 fragments/ });

  const slow = await open();
  slow.socket.pause();
  const note = "x".repeat(60_000);
  const event = JSON.stringify({ event: "important", note, capture_url: null });
  const slowLine = refused("slow_reader");
  const isCut = new AbortController();
  void slowLine.then(() => {
    isCut.abort();
  });
  while (!isCut.signal.aborted) {
    const headers = { "content-type": "application/json" };
    await fetch(`${server.url}/sessions/here/events`, { method: "POST", headers, body: event });
  }
  t.match(await slowLine, { why: /MAX_UNREAD_BYTES/, protocol: "plain" });
});

void t.test("a token that runs out while its connection is open is no refusal", async (t) => {
  const { signing, env } = await withSecret();
  const { server, lines, plain } = await start(t, env);
  const token = await sign(signing, { session_id: "here", role: "student", exp: nowS() });
  plain(at("here", "student"), { headers: { authorization: `Bearer ${token}` } });
  await lines.next(({ msg, reason }) => msg === "disconnected" && reason === "token_expired");
  await server.stop();
  t.notMatch(server.output(), '"refused"');
});
