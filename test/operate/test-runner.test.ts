import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  get,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import { fileURLToPath } from "node:url";
import { type Test, test } from "tap";
import { startCluster } from "../helpers/processes/cluster.js";
import { eventually } from "../helpers/eventually.js";
import { setEnv } from "../helpers/set-env.js";
import { type LoadBalancer, startLoadBalancer } from "../helpers/processes/load-balancer.js";
import { freePort, isFree, onPort } from "../helpers/processes/ports.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { countTests } from "../run.js";

test("a start on a port that somebody else took meanwhile is tried on another", async (t) => {
  const tried: number[] = [];
  const port = await onPort(undefined, async (port) => {
    tried.push(port);
    if (tried.length === 1) throw new Error("bind: Address already in use");
    return Promise.resolve(port);
  });
  t.equal(tried.length, 2);
  t.equal(port, tried[1]);
  t.ok(await isFree(port));
});

test("Redis answers once it has started, and loses its memory by a restart", async (t) => {
  const redis = await startRedis();
  t.teardown(async () => redis.stop());
  t.equal(await ask(redis.port, "SET key value"), "+OK");
  redis.kill("SIGKILL");
  t.match(await redis.exited, { signal: "SIGKILL" });
  await redis.restart();
  t.equal(await ask(redis.port, "EXISTS key"), ":0");
});

test("an append-only Redis keeps its memory when it is killed", async (t) => {
  const redis = await startRedis({ appendOnly: true });
  t.teardown(async () => redis.stop());
  t.equal(await ask(redis.port, "SET key value"), "+OK");
  redis.kill();
  await redis.restart();
  t.equal(await ask(redis.port, "EXISTS key"), ":1");
});

test("a Redis that cannot start says why", async (t) => {
  const redis = await startRedis();
  t.teardown(async () => redis.stop());
  await t.rejects(startRedis({ port: redis.port }), { message: /Address already in use/ });
});

/** Keeps the part of the real server's contract that the helpers rely on. */
const standIn = `
import { createServer } from "node:http";
const { HOST, PORT, NODE_ID, FAIL } = process.env;
if (FAIL) throw new Error(FAIL);
const server = createServer((request, response) => response.end(JSON.stringify(process.env)));
server.listen(Number(PORT), HOST, () => {
  console.log("something that is not a log entry");
  const url = "http://" + HOST + ":" + server.address().port;
  console.log(JSON.stringify({ level: 30, msg: "listening", url }));
});
process.once("SIGTERM", () => server.close(() => process.exit(0)).closeAllConnections());
`;

test("a server listens on 127.0.0.1, and sees nothing of our environment", async (t) => {
  setEnv(t, "PUBLISH_KEYS", "ours");
  const main = `${t.testdir({ "main.mjs": standIn })}/main.mjs`;
  const server = await startServer({ main, env: { NODE_ID: "replica-7" } });
  t.teardown(async () => server.stop());
  t.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.equal(server.nodeId, "replica-7");
  const env = JSON.parse((await request({ port: server.port })).body) as Record<string, string>;
  t.notHas(env, { PUBLISH_KEYS: String });
  t.has(env, { NODE_OPTIONS: "" }, "tap has not loaded itself into it");
  t.match(await server.stop(), { code: 0 });
});

test("a killed server comes back on its port, a paused one can be stopped", async (t) => {
  const main = `${t.testdir({ "main.mjs": standIn })}/main.mjs`;
  const server = await startServer({ main });
  t.teardown(async () => server.stop());
  const { port, pid } = server;
  server.kill("SIGKILL");
  t.match(await server.exited, { signal: "SIGKILL" });
  await server.restart();
  t.equal(server.port, port);
  t.not(server.pid, pid);
  server.pause();
  t.match(await server.stop(), { code: 0, signal: null });
});

test("a server that ends before it listens is an error with its output", async (t) => {
  const main = `${t.testdir({ "main.mjs": standIn })}/main.mjs`;
  await t.rejects(startServer({ main, env: { FAIL: "PORT is odd" } }), { message: /PORT is odd/ });
});

for (const [kind, installed] of [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const) {
  test(`${kind} keeps polling with one replica, and spreads everything else`, async (t) => {
    await installed();
    const { replicas, balancer } = await startBalanced(t, kind);
    const paths = Array.from({ length: 24 }, (_, i) => `/ws/session/s${i}/student/`);

    for (const { name } of replicas) {
      const sid = `${name}~5f0c`;
      for (const path of paths.slice(0, 4)) {
        const answers = [
          await request({
            port: balancer.port,
            path: `${path}?EIO=4&transport=polling&sid=${sid}`,
          }),
          await request({ port: balancer.port, path: `${path}?sid=${sid}&transport=polling&t=x` }),
          await request({
            port: balancer.port,
            path: `${path}?EIO=4&transport=polling&sid=${sid.replace("~", "%7E")}`,
          }),
          await upgrade(balancer, `${path}?EIO=4&transport=websocket&sid=${sid}`),
        ];
        for (const { replica } of answers) t.equal(replica, name, path);
      }
    }
    for (const query of ["", "?EIO=4&transport=websocket", "?EIO=4&transport=polling&sid="]) {
      const upgrades = await Promise.all(paths.map(async () => upgrade(balancer, `/ws${query}`)));
      const names = new Set(upgrades.map(({ replica }) => replica));
      t.equal(names.size, replicas.length, "who begins on one path goes to all replicas");
    }

    const gone = replicas[0];
    await gone.close();
    for (const path of paths) {
      const { status, replica } = await request({
        port: balancer.port,
        path: `${path}?EIO=4&transport=polling`,
      });
      t.equal(status, 200);
      t.not(replica, gone.name, "whoever begins goes to another one");
    }
    for (const { name } of replicas.slice(1)) {
      const path = `/ws/?transport=polling&sid=${name}~1`;
      t.equal((await request({ port: balancer.port, path })).replica, name, "the others stay");
    }
    const lost = await request({
      port: balancer.port,
      path: `/ws/?transport=polling&sid=${gone.name}~1`,
    });
    t.not(lost.replica, gone.name, "who was on the dead one is told by somebody");
  });

  test(`${kind} passes on streams at once, and the client's true address`, async (t) => {
    await installed();
    const { balancer } = await startBalanced(t, kind);
    const headers = { "X-Forwarded-For": "203.0.113.9" };
    const { body } = await request({ port: balancer.port, path: "/address", headers });
    t.equal(body, "127.0.0.1");
    const stream = get({ port: balancer.port, host: "127.0.0.1", path: "/stream", agent: false });
    t.teardown(() => stream.destroy());
    stream.on("error", () => undefined);
    const [response] = (await once(stream, "response")) as [IncomingMessage];
    const [first] = (await once(response, "data")) as [Buffer];
    t.equal(first.toString(), "first", "though the response never ends");
  });
}

test("a cluster of three runs behind its load balancer, and leaves nothing", async (t) => {
  const main = `${t.testdir({ "main.mjs": standIn })}/main.mjs`;
  const cluster = await startCluster({ main, loadBalancer: true, env: { HISTORY_LIMIT: "7" } });
  t.teardown(async () => cluster.stop());
  const seen = new Set<string>();
  while (seen.size < cluster.replicas.length) {
    const { body } = await request({ port: cluster.loadBalancer.port });
    const env = JSON.parse(body) as Record<string, string>;
    t.match(env, { REDIS_URL: cluster.redis.url, HISTORY_LIMIT: "7" });
    seen.add(env["NODE_ID"] ?? "");
  }
  t.same([...seen].sort(), ["replica-1", "replica-2", "replica-3"]);
  await cluster.stop();
  for (const { port } of [...cluster.replicas, cluster.redis, cluster.loadBalancer]) {
    t.ok(await isFree(port));
  }
});

test("a cluster of which a part does not start stops the other parts", async (t) => {
  await ensureTool("redis-server");
  const main = `${t.testdir({ "main.mjs": standIn })}/main.mjs`;
  const redis = await freePort();
  const first = await freePort();
  const cluster = startCluster({
    main,
    redis: { port: redis },
    ports: { replicas: [first, first] },
    replicas: 2,
  });
  await t.rejects(cluster, { message: /EADDRINUSE/ });
  t.ok(await isFree(redis));
  t.ok(await isFree(first));
});

test("what we have started ends with us, however we end", async (t) => {
  if (process.platform !== "linux") {
    t.pass("only the Linux kernel does that");
    return;
  }
  await ensureTool("redis-server");
  const helper = fileURLToPath(new URL("../helpers/processes/redis-server.ts", import.meta.url));
  const script = `
    import { startRedis } from ${JSON.stringify(helper)};
    console.log((await startRedis({ dir: process.argv[2] })).port);
  `;
  const dir = t.testdir({ "start.mjs": script, data: {} });
  const tsx = import.meta.resolve("tsx");
  const parent = spawn(process.execPath, ["--import", tsx, `${dir}/start.mjs`, `${dir}/data`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(parent.stdout, "data")) as [Buffer];
  const socket = connect(Number(port), "127.0.0.1");
  await once(socket, "connect");
  parent.kill("SIGKILL");
  // However it ends: `once` would reject on a reset, which is what unread bytes make of it.
  await new Promise((resolve) =>
    socket
      .resume()
      .on("error", () => undefined)
      .once("close", resolve),
  );
  // The kernel closes what a dead process listened on a little later than its connections.
  await eventually(() => isFree(Number(port)));
});

test("named blocks without blocks in them are counted, skipped ones as failed", (t) => {
  const { passed, failed, faults } = countTests(
    [
      "TAP version 14",
      "# Subtest: one.test.ts",
      "    # Subtest: group",
      "        # Subtest: passes",
      "            ok 1 - assertion",
      "            ok 2 - assertion",
      "            1..2",
      "        ok 1 - passes",
      "        # Subtest: fails",
      "            not ok 1 - assertion",
      "            1..1",
      "        not ok 2 - fails",
      "        1..2",
      "    not ok 1 - group",
      "    ok 2 - block # SKIP",
      "    ok 3 - another # TODO",
      "    # Subtest: with a skipped assertion",
      "        ok 1 - assertion # SKIP",
      "        ok 2 - assertion",
      "        1..2",
      "    ok 4 - with a skipped assertion",
      "    1..4",
      "not ok 1 - one.test.ts",
      "# Subtest: without-blocks.test.ts",
      "    ok 1 - assertion",
      "    1..1",
      "ok 2 - without-blocks.test.ts",
      "# Subtest: ends-badly.test.ts",
      "    # Subtest: passes",
      "        ok 1 - assertion",
      "        1..1",
      "    ok 1 - passes",
      "    1..1",
      "not ok 3 - ends-badly.test.ts",
      "1..3",
      "",
    ].join("\n"),
  );
  t.equal(passed, 3);
  t.equal(failed, 5);
  t.equal(faults.length, 5);
  t.end();
});

interface Answer {
  readonly status: number;
  readonly replica: string;
  readonly body: string;
}

async function request(options: RequestOptions): Promise<Answer> {
  const sent = get({ host: "127.0.0.1", agent: false, ...options });
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += String(chunk);
  return { status: response.statusCode ?? 0, replica: replicaOf(response), body };
}

async function upgrade({ port }: LoadBalancer, path: string): Promise<Answer> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
  };
  const sent = get({ host: "127.0.0.1", port, path, agent: false, headers });
  sent.once("response", ({ statusCode }) => {
    sent.destroy(new Error(`Not upgraded: ${statusCode ?? 0}`));
  });
  const [response] = (await once(sent, "upgrade")) as [IncomingMessage];
  response.socket.destroy();
  return { status: response.statusCode ?? 0, replica: replicaOf(response), body: "" };
}

function replicaOf(response: IncomingMessage): string {
  return String(response.headers["x-replica"]);
}

/** One inline command and the first line of the reply. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${command}\r\n`);
  const [reply] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return reply.toString().trimEnd();
}

interface Replica {
  readonly name: string;
  readonly port: number;
  close(): Promise<void>;
}

async function startBalanced(
  t: Test,
  kind: "haproxy" | "nginx",
): Promise<{ replicas: [Replica, Replica, Replica]; balancer: LoadBalancer }> {
  const replicas: [Replica, Replica, Replica] = [
    await startReplica(t, "replica-1"),
    await startReplica(t, "replica-2"),
    await startReplica(t, "replica-3"),
  ];
  const balancer = await startLoadBalancer({ kind, replicas });
  t.teardown(async () => balancer.stop());
  t.equal(balancer.kind, kind);
  return { replicas, balancer };
}

/** A replica within this process, that says its name. */
async function startReplica(t: Test, name: string): Promise<Replica> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    response.setHeader("X-Replica", name);
    if (request.url === "/stream") response.write("first");
    else response.end(request.headers["x-forwarded-for"]);
  });
  const sockets = new Set<{ destroy(): unknown }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.on("upgrade", (request: IncomingMessage, socket) => {
    socket.on("error", () => undefined);
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Connection: Upgrade",
      "Upgrade: websocket",
      `Sec-WebSocket-Accept: ${acceptOf(request)}`, // which HAProxy verifies
      `X-Replica: ${name}`,
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  };
  t.teardown(close);
  return { name, port: (server.address() as AddressInfo).port, close };
}

function acceptOf(request: IncomingMessage): string {
  const key = request.headers["sec-websocket-key"] ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}
