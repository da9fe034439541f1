import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, Readable } from "node:stream";
import { pino } from "pino";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { ClientAddresses } from "../../server/dist/edge/gate/client-addresses.js";
import { createLimitedServer } from "../../server/dist/edge/http/server.js";
import { dropper } from "../../server/dist/edge/guard.js";
import { Refusals } from "../../server/dist/telemetry/refusals.js";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalCodes } from "./helpers/refusal-log.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

/** More than the kernels hold of one connection. */
const PAGE_BYTES = 32 * 1024 * 1024;
const NOTE = "x".repeat(60_000);
const NOTES = 560;

/** A replica with one room whose history fills a page; a client that asks for it, and reads nothing. */
async function openUnread(t: Test, env: Readonly<Record<string, string>> = {}, notes = NOTES) {
  const server = await startServer({
    env: {
      HISTORY_PAGE_BYTES: String(PAGE_BYTES),
      HISTORY_MAX_BYTES: String(2 * PAGE_BYTES),
      MAX_ANSWERS_BYTES: String(16 * PAGE_BYTES),
      ...env,
    },
  });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  for (let i = 0; i < notes; i++) {
    await emitter.emit(session, "important", { note: NOTE, capture_url: null });
  }
  const page = requestHead("GET", `/sessions/${session}/events?role=student&limit=1000`, []);
  const ask = async (times: number) => {
    const client = await RawBytes.open(server.url, { allowHalfOpen: true });
    t.teardown(() => client.socket.destroy());
    client.socket.pause();
    client.send(page.repeat(times));
    return client;
  };
  return { server, ask };
}

void t.test("an answer that nobody reads is let go of in its time", async (t) => {
  const { server, ask } = await openUnread(t, { REQUEST_TIMEOUT_MS: "1500" });
  await ask(1);
  await eventually(() => Promise.resolve(refusalCodes(server).has("slow_reader")));
  t.match(server.output(), /"protocol":"http".*"code":"slow_reader"/);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

void t.test("answers of all connections that nobody reads do not pile up", async (t) => {
  const { server, ask } = await openUnread(t, { MAX_ANSWERS_BYTES: String(2 * PAGE_BYTES) });
  const [first, second] = [await ask(1), await ask(1)];
  await ask(1);
  // Half a minute is too long for what takes so much.
  await eventually(() => Promise.resolve(refusalCodes(server).has("slow_reader")));
  const cut = Promise.race([first, second].map((client) => client.ended()));
  for (const { socket } of [first, second]) socket.resume();
  await cut;
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

void t.test("a connection's requests are done one after the other", async (t) => {
  const { server, ask } = await openUnread(t);
  const client = await ask(1);
  const session = randomUUID();
  const event = '{"event":"important","note":"","capture_url":null}';
  const headers = ["Content-Type: application/json", `Content-Length: ${String(event.length)}`];
  const path = `/sessions/${session}/events`;
  client.send(requestHead("POST", path, headers), event);
  const published = async () => {
    const answer = await fetch(`${server.url}${path}?role=student`);
    return ((await answer.json()) as { events: readonly object[] }).events.length;
  };
  // Its page is under way by then.
  for (let i = 0; i < 10; i++) t.equal(await published(), 0);
  client.socket.resume();
  await eventually(async () => (await published()) === 1);
});

void t.test(
  "an answer that comes piece by piece, such as a file, is let go of in its time",
  async (t) => {
    const log = pino({ level: "silent" });
    const refusals = new Refusals(log);
    const limits = {
      headersTimeoutMs: 500,
      requestTimeoutMs: 500,
      maxAnswersBytes: 2 ** 24,
      requestsPerS: 9,
      requestsBurst: 9,
    };
    const answers = new EventEmitter();
    const listener = (_request: IncomingMessage, response: ServerResponse) => {
      const piece = Buffer.alloc(64 * 1024);
      const endless = new Readable({ read: () => endless.push(piece) });
      pipeline(endless, response, () => answers.emit("over"));
    };
    const addresses = new ClientAddresses(false);
    const parts = { addresses, refusals, isDraining: () => false, drop: dropper(log) };
    const server = createLimitedServer(limits, parts, listener);
    await once(server.listen(0, "127.0.0.1"), "listening");
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const client = await RawBytes.open(`http://127.0.0.1:${String(port)}`, { allowHalfOpen: true });
    t.teardown(() => client.socket.destroy());
    client.socket.pause();
    const over = once(answers, "over");
    client.send(requestHead("GET", "/", []));
    await over;
    t.strictSame([...refusals.totals.keys()], ["slow_reader"]);
  },
);

void t.test("who asks for very much over one connection waits, and is then refused", async (t) => {
  const env = { REQUESTS_PER_S: "1", REQUESTS_BURST: "5" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const client = await RawBytes.open(server.url);
  t.teardown(() => client.socket.destroy());
  const one = requestHead("GET", "/healthz", []);
  const beganAt = performance.now();
  for (let i = 1; i <= 7; i++) {
    client.send(one);
    await client.until('"status":"ok"', i);
  }
  const tookMs = performance.now() - beganAt;
  t.ok(
    tookMs > 1_900,
    `five are answered at once, two more take two seconds: ${String(tookMs)} ms`,
  );
  // What a file brings is counted as requests, too: it would have to wait for longer than anybody is kept waiting.
  client.send(requestHead("GET", "/socket.io/socket.io.js.map", []), one);
  await client.ended();
  t.match(client.received, /HTTP\/1.1 429 .*retry-after: 1.*"code":"too_many_messages"/s);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200, "and nobody else");
});

void t.test("who reads slowly, but reads, gets all of it", async (t) => {
  const { server, ask } = await openUnread(t, {}, 150);
  const client = await ask(2);
  const all = 2 * 150 * NOTE.length;
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    client.socket.on("close", () => {
      reject(new Error(`it was cut after ${String(bytes)} of ${String(all)} bytes`));
    });
    client.socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > all) resolve();
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    client.socket.resume();
  });
  t.notOk(refusalCodes(server).has("slow_reader"));
});
