/** Those who open a connection and never say who they are, or stop half-way. */
import { randomUUID } from "node:crypto";
import t from "tap";
import { RawBytes, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { rawPlain, rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { eventually } from "../helpers/eventually.js";
import { openFiles } from "../helpers/open-files.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { refusalsIn } from "./refusals-in.js";

const CONNECT_TIMEOUT_MS = 600;
const EIO = "?EIO=4&transport=websocket";
const path = () => `/ws/session/${randomUUID()}/student/`;

const server = await startServer({
  // Who never answers a ping is gone later than who never says who it is.
  env: {
    CONNECT_TIMEOUT_MS: String(CONNECT_TIMEOUT_MS),
    PING_INTERVAL_MS: "1000",
    PING_TIMEOUT_MS: "2000",
  },
});
t.teardown(() => server.stop());
const { url } = server;

/** Resolves with how long something took, in ms. */
async function timed(promise: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await promise;
  return performance.now() - start;
}

void t.test("who never sends CONNECT is sent away in time, and who did stays", async (t) => {
  const before = openFiles(server.pid);
  const stays = await Promise.all([rawPlain(url, path()), rawSocketIo(url, path())]);
  t.teardown(() => Promise.all(stays.map((client) => client.close())));
  const silent = await rawSocketIo(url, path(), { join: false });
  const talking = await rawSocketIo(url, path(), { join: false });
  const talk = setInterval(() => {
    talking.send('42["ping"]');
  }, 100);
  t.teardown(() => {
    clearInterval(talk);
  });
  const took = await Promise.all([timed(silent.closed), timed(talking.closed)]);
  for (const ms of took) {
    t.ok(ms > CONNECT_TIMEOUT_MS / 2 && ms < CONNECT_TIMEOUT_MS * 4, `${ms.toFixed(0)} ms`);
  }
  for (const client of stays) await client.answersPing();
  t.ok(refusalsIn(server.output()).get("connect_timeout"), "it is told to the log");
  const two = 2;
  await eventually(() => Promise.resolve(openFiles(server.pid) <= before + two));
});

void t.test("who is refused and stays is sent away as well", async (t) => {
  const client = await rawSocketIo(url, "/socket.io/", { join: false });
  t.teardown(() => client.close());
  client.send("40{}");
  await client.frames.next((frame) => frame.startsWith("44{"));
  const ms = await timed(client.closed);
  t.ok(ms < CONNECT_TIMEOUT_MS * 6, `${ms.toFixed(0)} ms`);
});

void t.test("who waits for its admission is not taken for silent", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const proxy = await startTcpProxy(redis.port);
  t.teardown(() => proxy.stop());
  const waits = await startServer({
    env: { REDIS_URL: proxy.url, CONNECT_TIMEOUT_MS: String(CONNECT_TIMEOUT_MS) },
  });
  t.teardown(() => waits.stop());
  await eventually(async () => (await fetch(`${waits.url}/readyz`)).ok);
  proxy.hang();
  const at = `/ws/session/${randomUUID()}/teacher/`;
  const teacher = await rawSocketIo(waits.url, at, { join: false });
  t.teardown(() => teacher.close());
  teacher.send("40");
  // As often as its time would have been over.
  for (let times = 0; times < 3; times++) {
    const silent = await rawSocketIo(waits.url, path(), { join: false });
    await silent.closed;
  }
  t.ok(teacher.isOpen, "it has the time that admission has");
  proxy.heal();
  await teacher.frames.next((frame) => frame.startsWith('42["connected"'));
});

void t.test("a long-polling connection that never polls again ends", async (t) => {
  const client = await openPolling(url, path());
  t.teardown(() => client.raw.socket.destroy());
  await eventually(async () => (await statusOfPost(client)) === 400);
  const joined = await openPolling(url, path());
  t.teardown(() => joined.raw.socket.destroy());
  await joined.postNow("40");
  await joined.statusOfPoll();
  // Its polls are over: the next ping is not answered.
  await eventually(async () => {
    const { connections } = (await (
      await fetch(`${url}${sessionOf(joined.head("GET", []))}`)
    ).json()) as {
      connections: { student: number };
    };
    return connections.student === 0;
  });
});

void t.test("an upgrade that is not finished ends", async (t) => {
  for (const probes of [false, true]) {
    const at = path();
    const polling = await openPolling(url, at);
    t.teardown(() => polling.raw.socket.destroy());
    await polling.postNow("40");
    const raw = await RawBytes.open(url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(`${at}${EIO}&sid=${polling.sid}`));
    await raw.until(" 101 ");
    if (probes) raw.send(textFrame("2probe"));
    const ms = await timed(raw.ended());
    t.ok(ms < CONNECT_TIMEOUT_MS + 8_000, `${ms.toFixed(0)} ms`);
  }
});

/** Sends a body that means nothing. */
async function statusOfPost({
  head,
}: {
  head: (method: string, headers: readonly string[]) => string;
}) {
  const raw = await RawBytes.open(url);
  try {
    raw.send(head("POST", ["Content-Length: 1", "Content-Type: text/plain"]), "x");
    return Number(/ (\d{3}) /.exec(await raw.until("HTTP/1.1 "))?.[1]);
  } finally {
    raw.socket.destroy();
  }
}

/** Where to ask for the session of a request. */
function sessionOf(head: string): string {
  return `/sessions/${/session\/([^/]+)\//.exec(head)?.[1] ?? ""}`;
}
