/** A long-polling client that sends more than it may, or what no such client sends. */
import { randomUUID } from "node:crypto";
import t from "tap";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { startServer } from "../helpers/processes/server-process.js";

const PER_S = 20;
const BURST = 50;
const PATIENCE_S = 10;
const SEPARATOR = "\u001e";

const path = () => `/ws/session/${randomUUID()}/student/`;
const server = await startServer();
t.teardown(() => server.stop());

function packets(count: number, packet = '42["x"]'): string {
  return Array.from({ length: count }, () => packet).join(SEPARATOR);
}

async function open(t: { teardown(end: () => unknown): void }) {
  const client = await openPolling(server.url, path());
  t.teardown(() => client.raw.socket.destroy());
  await client.postNow("40");
  return client;
}

void t.test("the body after too many packets is answered later", async (t) => {
  const client = await open(t);
  const more = 30;
  t.equal(await client.postNow(packets(BURST + more)), 200);
  const start = performance.now();
  t.equal(await client.postNow('42["ping"]'), 200);
  const tookMs = performance.now() - start;
  t.ok(tookMs > (more / PER_S) * 1_000 - 200, `not before its time: ${tookMs.toFixed(0)} ms`);
  t.equal(await client.statusOfPoll(), 200, "and it goes on");
});

void t.test("far too many packets in one body end the connection", async (t) => {
  const client = await open(t);
  t.equal(await client.postNow(packets(BURST + PER_S * PATIENCE_S + 1, "3")), 200);
  t.equal(await client.statusOfPoll(), 400);
});

void t.test("a body that does not wait for the answer to the one before is refused", async (t) => {
  const client = await open(t);
  t.equal(await client.postNow(packets(BURST + 50)), 200);
  const other = await openPolling(server.url, path());
  t.teardown(() => other.raw.socket.destroy());
  const body = ["Content-Length: 1", "Content-Type: text/plain"];
  client.raw.send(client.head("POST", body), "3");
  other.raw.send(client.head("POST", body), "3");
  // Whichever of them was there second.
  await Promise.any([client.raw, other.raw].map((raw) => raw.until(" 429 ")));
  t.equal(await client.statusOfPoll(), 400, "the connection has ended");
});

void t.test("requests that no client makes are refused, and none is left unanswered", async (t) => {
  const client = await open(t);
  client.raw.send(client.head("PUT", ["Content-Length: 0"]));
  await client.raw.until(" 405 ");
  await client.raw.ended();
  const webSocket = await rawSocketIo(server.url, path(), { join: false });
  t.teardown(() => webSocket.close());
  const [open_ = ""] = webSocket.frames.items;
  const { sid } = JSON.parse(open_.slice(1)) as { sid: string };
  for (const method of ["GET", "POST"]) {
    const query = `?EIO=4&transport=websocket&sid=${encodeURIComponent(sid)}`;
    const { status } = await fetch(`${server.url}${path()}${query}`, { method });
    t.equal(status, 400, `${method} to a WebSocket`);
  }
});
