import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { RawBytes } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { openFiles } from "../helpers/open-files.js";
import { startServer } from "../helpers/processes/server-process.js";
import { metricsUrl, scrapeUntil } from "./helpers/scrape.js";

const SCRAPERS = 8;
const AT_ONCE = 2_000;

async function start(t: Test) {
  const server = await startServer({ env: { METRICS_PORT: "0" } });
  t.teardown(() => server.stop());
  const { port } = new URL(metricsUrl(server));
  const open = async () => {
    const socket = connect(Number(port), "127.0.0.1").setEncoding("utf8");
    socket.on("error", () => undefined);
    t.teardown(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  return { server, open };
}

const request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const lastRequest = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");

void t.test("a scraper that asks for very much at once is cut", async (t) => {
  const { server, open } = await start(t);
  const socket = await open();
  let text = "";
  socket.on("data", (part) => (text += String(part)));
  socket.write(request.repeat(AT_ONCE));
  await new Promise((resolve) => socket.once("close", resolve));
  const answers = text.split("HTTP/1.1 200").length - 1;
  t.ok(answers < 10, `${String(answers)} of ${String(AT_ONCE)} were answered`);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
  await scrapeUntil(
    server,
    (now) => now.value("limits_hit_total", { limit: "too_many_messages" }) === 1,
  );
});

void t.test("connections are counted at a scrape, and none of them is listed", async (t) => {
  const { server } = await start(t);
  const sockets = await Promise.all(Array.from({ length: 50 }, () => RawBytes.open(server.url)));
  t.teardown(() => {
    for (const { socket } of sockets) socket.destroy();
  });
  await eventually(async () => {
    const text = await (await fetch(metricsUrl(server))).text();
    t.notMatch(text, /nodejs_active_/);
    const [, open] = /^process_open_fds (\d+)$/m.exec(text) ?? [];
    const known = openFiles(server.pid);
    return known > sockets.length && Number(open) === known;
  });
});

void t.test("those who ask at once are told the same, which is made once", async (t) => {
  const { server, open } = await start(t);
  const sockets = await Promise.all(Array.from({ length: SCRAPERS }, open));
  // The server takes up new connections one after the other.
  for (const socket of sockets) {
    socket.write(request.replace("GET", "HEAD"));
    await once(socket, "data");
  }
  server.pause();
  for (const socket of sockets) {
    await new Promise((resolve) => socket.write(lastRequest, resolve));
  }
  server.resume();
  const bodies = await Promise.all(sockets.map(bodyOf));
  // The CPU that the process has used, which each scrape uses some of.
  t.match(bodies[0], /process_cpu_seconds_total \d/);
  t.equal(new Set(bodies).size, 1);
});

async function bodyOf(socket: Socket): Promise<string> {
  const parts = (await socket.toArray()) as string[];
  return parts.join("").split("\r\n\r\n").slice(1).join();
}

void t.test("who asks for a WebSocket is told that there are none", async (t) => {
  const { open } = await start(t);
  const socket = await open();
  let text = "";
  socket.on("data", (part) => (text += String(part)));
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
  socket.write(`GET /metrics HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n\r\n`);
  await once(socket, "end");
  t.match(text, /^HTTP\/1.1 404 .*"code":"not_found"/s);
});

void t.test("another method than those of a scraper, and another path, are told so", async (t) => {
  const { server } = await start(t);
  const metrics = metricsUrl(server);
  const allow = "GET, HEAD, OPTIONS";
  for (const [method, url, status] of [
    ["HEAD", metrics, 200],
    ["OPTIONS", metrics, 204],
    ["POST", metrics, 405],
    ["PROPFIND", metrics, 405],
    ["GET", `${metrics}/x`, 404],
    ["OPTIONS", `${metrics}/x`, 404],
    ["POST", `${metrics}/x`, 404],
  ] as const) {
    const answer = await fetch(url, { method });
    t.equal(answer.status, status, `${method} ${url}`);
    const told = status === 204 || status === 405 ? allow : null;
    t.equal(answer.headers.get("allow"), told, `${method} ${url}`);
    if (status >= 400) t.match(await answer.json(), { status, code: /^\w+$/ });
  }
});
