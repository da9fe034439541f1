/** Clients that leave something unread, and close their side of the socket without a word: `ws` would wait for them. */
import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";
import { RawBytes, requestHead, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { eventually } from "../helpers/eventually.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const KEY = "the-key-of-a-service";
const ENV = { PUBLISH_KEYS: KEY, AUTH: "off", MAX_UNREAD_BYTES: String(2 ** 28) };
const EIO = "?EIO=4&transport=websocket";
/** A note that is published so often is more than the kernels keep for a connection. */
const NOTE = "x".repeat(60_000);
const AT_ONCE = 16;
const BURSTS = 16;
/** A token is good for so long. */
const GOOD_FOR_S = 3;

type Open = (t: Test, url: string, path: string, token?: string) => Promise<RawBytes>;

async function open(t: Test, url: string): Promise<RawBytes> {
  const raw = await RawBytes.open(url, { allowHalfOpen: true });
  t.teardown(() => raw.socket.destroy());
  return raw;
}

const KINDS: Readonly<Record<"plain" | "websocket" | "upgraded" | "event stream", Open>> = {
  plain: async (t, url, path, token = "") => {
    const raw = await open(t, url);
    raw.send(upgradeHead(`${path}?token=${token}`));
    await raw.until("connected");
    return raw;
  },
  websocket: async (t, url, path, token = "") => {
    const raw = await open(t, url);
    raw.send(upgradeHead(`${path}${EIO}`));
    await raw.until('"maxPayload"');
    raw.send(textFrame(`40${JSON.stringify({ token })}`));
    await raw.until("connected");
    return raw;
  },
  upgraded: async (t, url, path) => {
    const { raw: polling, sid } = await openPolling(url, path);
    const raw = await open(t, url);
    raw.send(upgradeHead(`${path}${EIO}&sid=${encodeURIComponent(sid)}`));
    raw.send(textFrame("2probe"));
    await raw.until("3probe");
    raw.send(textFrame("5"), textFrame("40"));
    await raw.until("connected");
    polling.socket.destroy();
    return raw;
  },
  "event stream": async (t, url, path, token = "") => {
    const raw = await open(t, url);
    raw.send(requestHead("GET", `${path}?token=${token}`, ["Accept: text/event-stream"]));
    await raw.until("connected");
    return raw;
  },
};
const HAS_NO_FRAMES = "event stream";

async function publishMuch(server: ServerProcess, session: string): Promise<void> {
  const emitter = await connect(server.url, { key: KEY });
  const burst = Array.from({ length: AT_ONCE }, () => ({
    event: "important" as const,
    note: NOTE,
    capture_url: null,
  }));
  for (let i = 0; i < BURSTS; i++) await emitter.emitAll(session, burst);
  await emitter.close();
}

async function hasEverybodyLeft(url: string, session: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${KEY}`, connection: "close" };
  const answer = await fetch(`${url}/sessions/${session}`, { headers });
  return (await answer.text()).includes('"student":0');
}

/** With what a plain WebSocket is answered. */
async function statusOfNewcomer(t: Test, url: string, path: string): Promise<string> {
  const newcomer = await open(t, url);
  newcomer.send(upgradeHead(path));
  await newcomer.until("HTTP/1.1 ");
  newcomer.socket.destroy();
  return newcomer.received.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length);
}

for (const [kind, come] of Object.entries(KINDS)) {
  void t.test(`${kind}: whoever gives no sign of life is gone, and so is its place`, async (t) => {
    const env = { MAX_CONNECTIONS: "1", PING_INTERVAL_MS: "500", PING_TIMEOUT_MS: "500" };
    const server = await startServer({ env: { ...ENV, ...env } });
    t.teardown(() => server.stop());
    const session = randomUUID();
    const path = `/ws/session/${session}/student/`;
    const client = await come(t, server.url, path);
    client.socket.pause();
    // Any message of a plain one is a sign of life, and this is what Socket.IO's are asked for.
    const alive = setInterval(() => {
      if (kind !== HAS_NO_FRAMES) client.send(textFrame("3"));
    }, 100);
    await publishMuch(server, session);
    clearInterval(alive);
    client.socket.end();
    await eventually(() => hasEverybodyLeft(server.url, session));
    const status = () => statusOfNewcomer(t, server.url, path);
    // Ours are cut as soon as they are missed.
    if (kind === "websocket" || kind === "upgraded")
      t.equal(await status(), "503", "its socket has its place");
    await eventually(async () => (await status()) === "101");
  });
}

void t.test("whose token runs out is gone, of whatever kind", async (t) => {
  const { signing, env } = await withSecret();
  const server = await startServer({ env: { ...ENV, AUTH: "", MAX_CONNECTIONS: "3", ...env } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const claims = { session_id: session, role: "student", exp: nowS() + GOOD_FOR_S };
  const token = await sign(signing, claims);
  const path = `/ws/session/${session}/student/`;
  const clients = await Promise.all(
    [KINDS.plain, KINDS.websocket, KINDS["event stream"]].map((come) =>
      come(t, server.url, path, token),
    ),
  );
  for (const { socket } of clients) socket.pause();
  await publishMuch(server, session);
  for (const { socket } of clients) socket.end();
  await eventually(() => hasEverybodyLeft(server.url, session));
  // So is one without a token, where there is a place.
  await eventually(async () => (await statusOfNewcomer(t, server.url, path)) === "401");
  // All of them.
  const first = await KINDS.plain(
    t,
    server.url,
    path,
    await sign(signing, { ...claims, exp: nowS() + 60 }),
  );
  await eventually(async () => (await statusOfNewcomer(t, server.url, path)) === "401");
  t.notOk(first.socket.destroyed);
});
