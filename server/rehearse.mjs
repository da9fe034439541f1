// Has V8 keep what it compiles of the bundle: a replica is started, some clients come to it, and what has been compiled by then
// is written beside the bundle, for each start to come (`src/bundle.ts`). V8 takes it with the same options alone, so this
// runs with those of `npm start`. Without it a start only takes longer, so that it fails stops nobody.
import { execFileSync } from "node:child_process";
import { on, once } from "node:events";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { fileURLToPath, URL } from "node:url";
import { WebSocket } from "ws";

/* global fetch */

const TIME_LIMIT_MS = 20_000;
/** Its argument, by which it calls itself. */
const REHEARSING = "rehearsing";
const CLIENTS = 20;
const OF_ENGINE_IO = "?EIO=4&transport=websocket";
const CONNECT = "40";

if (process.argv[2] === REHEARSING) {
  await rehearse();
} else {
  try {
    execFileSync(
      process.execPath,
      [...startOptions(), fileURLToPath(import.meta.url), REHEARSING],
      {
        // Nothing but this: what is set for somebody's server is none of this one's.
        env: { HOST: "127.0.0.1", PORT: "0", AUTH: "off", LOG_LEVEL: "silent" },
        stdio: ["ignore", "inherit", "inherit"],
        timeout: TIME_LIMIT_MS,
      },
    );
  } catch (error) {
    process.stderr.write(`not rehearsed, so each start takes longer: ${error.message}\n`);
  }
}

function startOptions() {
  const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return scripts.start.split(" ").filter((word) => word.startsWith("--"));
}

async function rehearse() {
  const { optimizeSooner } = await import("./dist/optimize-sooner.js");
  const { loadBundle } = await import("./dist/bundle.js");
  optimizeSooner();
  const bundle = loadBundle();
  if (bundle === undefined) throw new Error("the bundle is older than what is in it");
  const metricsPort = await freePort();
  process.env["METRICS_PORT"] = String(metricsPort);
  const url = await bundle.exports.serve();
  const place = `${url.replace(/^http/, "ws")}/ws/session/rehearsal/student/`;
  for (let i = 0; i < CLIENTS; i++) {
    await come(place, undefined, () => publish(url));
    await come(place + OF_ENGINE_IO, CONNECT, () => publish(url));
  }
  await ask(`http://127.0.0.1:${metricsPort}/metrics`);
  // Once more, to a Redis that is not there: the code that goes to it.
  delete process.env["METRICS_PORT"];
  process.env["REDIS_URL"] = "redis://127.0.0.1:1";
  await bundle.exports.serve();
  // Never half of it: somebody may start meanwhile.
  const compiled = fileURLToPath(new URL("dist/serve.bundle.cjs.compiled", import.meta.url));
  writeFileSync(`${compiled}.new`, bundle.compiled());
  renameSync(`${compiled}.new`, compiled);
  process.exit();
}

/** A client that stays until it has heard what is published once it is connected. */
async function come(place, firstFrame, onConnected) {
  const socket = new WebSocket(place);
  socket.on("open", () => {
    if (firstFrame !== undefined) socket.send(firstFrame);
  });
  for await (const [frame] of on(socket, "message")) {
    if (frame.includes("connected")) await onConnected();
    if (frame.includes("important")) break;
  }
  socket.close();
  await once(socket, "close");
}

async function publish(url) {
  await ask(`${url}/sessions/rehearsal/events`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ event: "important", note: "rehearsal", capture_url: null }),
  });
}

async function ask(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${url} was answered ${answer.status}`);
  await answer.arrayBuffer();
}

/** One that nobody listens on now: the server does not say which one it took for its metrics. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
