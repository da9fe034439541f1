import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { rawGet } from "../helpers/clients/raw-http.js";
import { EventStream, type StreamOptions } from "../helpers/clients/event-stream.js";
import { startServer } from "../helpers/processes/server-process.js";

/** The kernel's word for a connection that it asks for a sign of life (`timer_active` in proc_net_tcp.txt). */
const KEEP_ALIVE = "02";
const ASKS = "Accept: text/event-stream";

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const path = `/ws/session/${session}/student/`;
  const open = async (options?: StreamOptions) => {
    const stream = await EventStream.open(server.url, path, options);
    t.teardown(() => {
      stream.close();
    });
    return stream;
  };
  const raw = async () => {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    return client;
  };
  const say = (note: string) => emitter.emit(session, "important", { note, capture_url: null });
  return { server, url: server.url, emitter, session, path, open, raw, say };
}

void t.test("a stream is one that no proxy holds back, keeps or changes", async (t) => {
  const { open, session, say } = await start(t);
  const stream = await open({ headers: { "accept-encoding": "gzip, deflate, br" } });
  t.equal(stream.status, 200);
  const { headers } = stream.response;
  t.match(headers, {
    "content-type": /^text\/event-stream/,
    "cache-control": /no-cache.*no-transform/,
    "x-accel-buffering": "no",
    connection: "close",
  });
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) {
    t.notOk(name in headers, name);
  }
  const connected = await stream.events.next();
  t.equal(
    connected.data,
    `{"event":"connected","session_id":"${session}","role":"student","teacher_online":false}`,
  );
  const { offsets } = await say("한글\n두 줄");
  const event = await stream.events.next(({ event }) => event === "important");
  t.match(JSON.parse(event.data), { event: "important", note: "한글\n두 줄" });
  t.equal(event.id, offsets.student, "its id is its offset");
  t.match(connected.id, /^\d+-0$/, "that of `connected` is where it begins");
});

void t.test("who lose their replica together do not come back together", async (t) => {
  const { open } = await start(t);
  const streams = await Promise.all(Array.from({ length: 20 }, () => open()));
  await Promise.all(streams.map(({ events }) => events.next()));
  const waits = streams.map(({ retryMs = 0 }) => retryMs);
  t.ok(Math.min(...waits) >= 500 && Math.max(...waits) <= 2_500, waits.join());
  t.ok(new Set(waits).size > 10, waits.join());
});

void t.test("who asks for a stream by name gets one, and nobody else", async (t) => {
  const { url, path } = await start(t);
  for (const [accept, status] of [
    ["text/event-stream", 200],
    ["Text/Event-Stream", 200],
    ["application/json, text/event-stream;q=0.9, */*;q=0.1", 200],
    ["text/event-stream;q=0.05", 200],
    ["text/event-stream;q=0, */*", 426],
    ["text/event-stream; q=0.000", 426],
    ["text/event-streams", 426],
    ["text/*", 426],
    ["*/*", 426],
  ] as const) {
    t.equal((await rawGet(url, path, [`Accept: ${accept}`])).status, status, accept);
  }
  t.equal((await rawGet(url, path)).status, 426);
});

void t.test("HEAD is answered with the headers, and other methods are told which go", async (t) => {
  const { url, path, open, session } = await start(t);
  const head = await open({ method: "HEAD" });
  await head.ended;
  t.equal(head.status, 200);
  t.match(head.response.headers["content-type"], /^text\/event-stream/);
  const state = await (await fetch(`${url}/sessions/${session}`)).text();
  t.match(state, '"student":0', "nobody has come by it");
  for (const method of ["POST", "PUT", "DELETE"]) {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { accept: "text/event-stream" },
    });
    t.equal(answer.status, 405, method);
    t.equal(answer.headers.get("allow"), "GET, HEAD, OPTIONS");
    t.match(await answer.json(), { code: "method_not_allowed" });
  }
});

void t.test("a stream outlasts the time that a request has, and says that it lives", async (t) => {
  const times = { REQUEST_TIMEOUT_MS: "1000", HEADERS_TIMEOUT_MS: "1000" };
  const { open, say } = await start(t, { ...times, PING_INTERVAL_MS: "150" });
  const stream = await open();
  const startedAt = performance.now();
  await stream.comments.until(() => performance.now() - startedAt > 2_500);
  await say("still here");
  await stream.events.next(({ data }) => data.includes("still here"));
  t.ok(stream.comments.items.length >= 10, `${String(stream.comments.items.length)} comments`);
});

void t.test("what is sent behind the request is not served, and does no harm", async (t) => {
  const { server, path, raw, say, emitter, session } = await start(t);
  const client = await raw();
  client.send(requestHead("GET", path, [ASKS]), requestHead("GET", "/healthz", []));
  await client.until('"event":"connected"');
  client.send(requestHead("GET", "/readyz", []));
  await say("told");
  await client.until("told");
  await emitter.emit(session, "session_ended");
  await client.ended();
  t.equal(client.received.split("HTTP/1.1 ").length - 1, 1, "there was one answer");
  t.ok(client.received.endsWith('data: {"event":"session_ended"}\n\n'), "and this was its end");

  const flood = await raw();
  flood.send(requestHead("GET", path, [ASKS]));
  await flood.until('"event":"connected"');
  flood.send(...Array.from({ length: 50 }, () => requestHead("GET", "/healthz", [])));
  await flood.ended();
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

void t.test("a client of HTTP/1.0, as some proxies are, gets a stream", async (t) => {
  const { path, raw, say } = await start(t);
  const client = await raw();
  client.send(`GET ${path} HTTP/1.0\r\n${ASKS}\r\n\r\n`);
  await client.until('"event":"connected"');
  await say("told");
  await client.until("told");
});

void t.test("what comes in one turn goes out in one write", async (t) => {
  const { path, raw, emitter, session } = await start(t);
  const client = await raw();
  let pieces = 0;
  client.socket.on("data", () => {
    pieces++;
  });
  client.send(requestHead("GET", path, [ASKS]));
  await client.until('"event":"connected"');
  t.equal(pieces, 1, "the head and what is told first");
  const like = (like_count: number) =>
    ({ event: "question_like_update", question_id: like_count, like_count }) as const;
  await emitter.emitAll(
    session,
    Array.from({ length: 10 }, (_, i) => like(i)),
  );
  await client.until('"like_count":9');
  t.equal(pieces, 2);
});

void t.test("the kernel asks a client for a sign of life", async (t) => {
  const { server, open } = await start(t);
  const stream = await open();
  await stream.events.next();
  const { localPort = 0 } = stream.response.socket;
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
  const ends = new RegExp(`:${hex(server.port)} \\w+:${hex(localPort)} 01 \\S+ (\\d\\d):`);
  t.equal(ends.exec(await readFile("/proc/net/tcp", "utf8"))?.[1], KEEP_ALIVE);
});
