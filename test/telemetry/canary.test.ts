import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { SignJWT } from "jose";
import t, { type Test } from "tap";
import { WebSocketServer } from "ws";
import { Authority } from "../every-redis/helpers/certificates.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { freePort } from "../helpers/processes/ports.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { scrape, scrapeUntil, type Scrape } from "./helpers/scrape.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const beats = (now: Scrape, outcome: string) => now.value("canary_beats_total", { outcome });

/** Resolves when it has logged this: what it counts may be known a moment earlier. */
async function logs(server: ServerProcess, line: RegExp): Promise<void> {
  await eventually(() => Promise.resolve(line.test(server.output())));
}

/** A replica whose canary comes to itself. */
async function alone(t: Test, env: Readonly<Record<string, string>>) {
  const port = await freePort();
  const url = `http://127.0.0.1:${String(port)}`;
  const server = await startServer({ port, env: { METRICS_PORT: "0", CANARY_URL: url, ...env } });
  t.teardown(() => server.stop());
  return server;
}

const KEYS = generateKeyPairSync("ed25519");
const WAYS_IN: Readonly<Record<string, () => Promise<Record<string, string>>>> = {
  "where nobody needs a token": () => Promise.resolve({}),
  "with a token that it signs": () => Promise.resolve({ JWT_SECRET: "s".repeat(32) }),
  "with a token that it was given": async () => ({
    JWT_PUBLIC_KEY: KEYS.publicKey.export({ type: "spki", format: "pem" }).toString(),
    CANARY_TOKEN: await new SignJWT({ session_id: "*", role: "student" })
      .setProtectedHeader({ alg: "EdDSA" })
      .setExpirationTime("1h")
      .sign(KEYS.privateKey),
  }),
};

for (const [name, environment] of Object.entries(WAYS_IN)) {
  void t.test(`a canary hears itself ${name}, and is one connection`, async (t) => {
    const env = await environment();
    const server = await alone(t, env);
    const now = await scrapeUntil(server, (one) => beats(one, "heard") > 0);
    t.equal(beats(now, "missed"), 0);
    t.ok(now.value("canary_seconds_count") > 0);
    t.equal(now.value("connections", { protocol: "plain", role: "student" }), 1);
    t.match(server.output(), /"session":"inthon-canary-[0-9a-f]{32}"/);
    if (env["CANARY_TOKEN"]) t.notMatch(server.output(), env["CANARY_TOKEN"]);
  });
}

void t.test("a wrong token is a beat that is missed, and a line that says why", async (t) => {
  const server = await alone(t, { JWT_SECRET: "s".repeat(32), CANARY_TOKEN: "wrong" });
  await scrapeUntil(server, (one) => beats(one, "missed") > 0);
  await logs(server, /401.*the canary does not hear itself/);
  t.equal(beats(await scrape(server), "heard"), 0);
});

void t.test("where the way of clients hangs, beats are missed until it is mended", async (t) => {
  const others = await startCluster({ replicas: 1 });
  t.teardown(() => others.stop());
  // The door leads to another replica, as a balancer may.
  const door = await startTcpProxy(others.replica(0).port);
  t.teardown(() => door.stop());
  const server = await startServer({
    env: {
      METRICS_PORT: "0",
      REDIS_URL: others.redisUrl,
      CANARY_URL: `http://127.0.0.1:${String(door.port)}`,
    },
  });
  t.teardown(() => server.stop());
  let now = await scrapeUntil(server, (one) => beats(one, "heard") > 0);
  t.equal(now.value("connections"), 0, "it is a client of the other one");
  t.equal(beats(now, "missed"), 0);
  door.hang();
  door.hangNew();
  now = await scrapeUntil(server, (one) => beats(one, "missed") > 0);
  await logs(server, /"level":40.*the canary does not hear itself/);
  const heard = beats(now, "heard");
  door.leadAgain();
  door.heal();
  now = await scrapeUntil(server, (one) => beats(one, "heard") > heard);
  await logs(server, /the canary hears itself again/);
  t.ok(beats(now, "sent") - beats(now, "heard") - beats(now, "missed") <= 1);
});

void t.test(
  "a canary at a door that says nothing, or nonsense, holds up nobody's end",
  async (t) => {
    const nonsense = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    t.teardown(() => {
      nonsense.close();
    });
    nonsense.on("connection", (socket) => {
      socket.send("no JSON");
      socket.send("null");
      socket.send("x".repeat(100_000));
      socket.on("error", () => undefined);
    });
    await once(nonsense, "listening");
    const { port } = nonsense.address() as { port: number };
    const server = await startServer({
      env: { METRICS_PORT: "0", CANARY_URL: `http://127.0.0.1:${String(port)}` },
    });
    await scrapeUntil(server, (one) => beats(one, "missed") > 0);
    t.equal((await server.stop()).code, 0);
  },
);

void t.test("a certificate that is not the way's is told in words, and not logged", async (t) => {
  const authority = await Authority.create();
  t.teardown(() => authority.remove());
  const { cert, key } = await authority.sign(["DNS:elsewhere.example"]);
  const door = createServer({ cert: await readFile(cert), key: await readFile(key) });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  t.teardown(() => door.close());
  const { port } = door.address() as AddressInfo;
  const url = `https://127.0.0.1:${String(port)}`;
  const server = await alone(t, { CANARY_URL: url, NODE_EXTRA_CA_CERTS: authority.ca });
  await logs(server, /the canary does not hear itself/);
  const [line = ""] = server
    .output()
    .split("\n")
    .filter((one) => one.includes("hear itself"));
  t.match(line, /127\.0\.0\.1 is not in the cert's list/);
  t.match(line, /"code":"ERR_TLS_CERT_ALTNAME_INVALID"/);
  t.notMatch(line, /"cert"|"raw"|pubkey/);
  t.ok(line.length < 2_500, `${String(line.length)} characters`);
});
