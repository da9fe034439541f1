import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { io, type Socket } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { RawBytes, requestHead, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { HANDSHAKES, rawGet } from "../helpers/clients/raw-http.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { sign, withSecret } from "./helpers/issuers.js";
import { refusalCodes } from "./helpers/refusal-log.js";

type Env = Readonly<Record<string, string>>;

async function serverWith(t: Test, env: Env): Promise<ServerProcess> {
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  return server;
}

const pathOf = (session: string) => `/ws/session/${session}/student/`;

/** A plain WebSocket that is open, or the status with which it was refused. */
async function knock(
  t: Test,
  server: ServerProcess,
  { session = randomUUID(), headers = {} }: { session?: string; headers?: Env } = {},
): Promise<WebSocket | { status: number; retryAfter: string | undefined }> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}${pathOf(session)}`, {
    headers,
  });
  t.teardown(() => {
    socket.terminate();
  });
  return new Promise((resolve, reject) => {
    socket.once("message", () => {
      resolve(socket);
    });
    socket.once("unexpected-response", (_request, response) => {
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] });
      response.destroy();
    });
    socket.once("error", reject);
  });
}

const isOpen = (answer: unknown) => answer instanceof WebSocket;

async function closeAndWait(socket: unknown): Promise<void> {
  if (!(socket instanceof WebSocket)) throw new Error("it was refused");
  socket.terminate();
  await once(socket, "close");
}

void t.test(
  "a replica that is full says so with 503, and takes others when some have gone",
  async (t) => {
    const server = await serverWith(t, { MAX_CONNECTIONS: "3" });
    const [first] = [await knock(t, server), await knock(t, server), await knock(t, server)];
    for (const [what, { query, headers }] of Object.entries(HANDSHAKES)) {
      // The id of no connection is none, as Engine.IO has it.
      for (const sid of [
        "",
        `${query === "" ? "?" : "&"}sid=`,
        `${query === "" ? "?" : "&"}sid=x&sid=`,
      ]) {
        const path = `${pathOf("full")}${query}${sid}`;
        const { status, head } = await rawGet(server.url, path, headers);
        t.equal(status, 503, `${what} ${sid}`);
        t.match(head, /retry-after: \d/i, what);
      }
    }
    t.equal((await fetch(`${server.url}/healthz`)).status, 200, "it can still be asked how it is");
    await closeAndWait(first);
    await eventually(async () => isOpen(await knock(t, server)));
    t.ok(refusalCodes(server).has("too_many_connections"), "and it is logged");
  },
);

void t.test("a session of long polling has its place until it ends, and no longer", async (t) => {
  const server = await serverWith(t, {
    MAX_CONNECTIONS: "1",
    PING_INTERVAL_MS: "500",
    PING_TIMEOUT_MS: "500",
  });
  const handshake = `${server.url}${pathOf("poll")}?EIO=4&transport=polling`;
  const refused = `${server.url}${pathOf("poll")}?EIO=3&transport=polling`;
  // Read whole, so that one socket is enough.
  const statusOf = async (url: string) => {
    const response = await fetch(url);
    await response.text();
    return response.status;
  };
  for (let i = 0; i < 3; i++) t.equal(await statusOf(refused), 400, "refused, it has none");
  t.equal(await statusOf(handshake), 200);
  t.equal(await statusOf(handshake), 503);
  await eventually(async () => (await statusOf(handshake)) === 200);
});

void t.test("a client that upgrades keeps the one place that it has", async (t) => {
  const server = await serverWith(t, { MAX_CONNECTIONS: "2" });
  const options = {
    path: pathOf("upgrading"),
    transports: ["polling", "websocket"],
    forceNew: true,
  };
  for (let i = 0; i < 2; i++) {
    const socket = io(server.url, options);
    t.teardown(() => socket.close());
    await new Promise<void>((resolve) => {
      socket.io.on("open", () => {
        socket.io.engine.once("upgrade", () => {
          resolve();
        });
      });
    });
  }
  t.match(await knock(t, server), { status: 503 });
});

void t.test("sockets that ask for nothing are counted, cut, and let go", async (t) => {
  const env = { MAX_CONNECTIONS: "5", HEADERS_TIMEOUT_MS: "1000", REQUEST_TIMEOUT_MS: "1000" };
  const server = await serverWith(t, env);
  // Sixteen more are for those who are about to go.
  const silent = await Promise.all(Array.from({ length: 21 }, () => RawBytes.open(server.url)));
  const another = await RawBytes.open(server.url);
  await another.ended();
  t.equal(another.received, "", "cut, as it has asked for nothing");
  t.notOk(silent.some(({ socket }) => socket.destroyed));
  await Promise.all(silent.map((client) => client.ended()));
  await eventually(async () => isOpen(await knock(t, server).catch(() => undefined)));
  t.ok(refusalCodes(server).has("too_many_connections"), "and it is logged");
});

void t.test("an address has its share, where it is known whose address it is", async (t) => {
  const env = { MAX_CONNECTIONS_PER_ADDRESS: "2" };
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

  await t.test("of clients that connect directly", async (t) => {
    const server = await serverWith(t, { ...env, TRUST_PROXY: "false" });
    const first = await knock(t, server, from("1.1.1.1"));
    t.ok(isOpen(await knock(t, server, from("2.2.2.2"))), "forwarded headers are not read");
    t.match(await knock(t, server, from("3.3.3.3")), { status: 429, retryAfter: /^\d+$/ });
    await closeAndWait(first);
    await eventually(async () => isOpen(await knock(t, server)));
  });

  await t.test("of clients behind a proxy", async (t) => {
    for (const TRUST_PROXY of ["true", "1", "loopback", "127.0.0.0/8"]) {
      const server = await serverWith(t, { ...env, TRUST_PROXY });
      const knocks = ["1.1.1.1", "1.1.1.1:4711", "::ffff:1.1.1.1", "2.2.2.2"];
      const answers = [];
      for (const address of knocks) answers.push(isOpen(await knock(t, server, from(address))));
      t.strictSame(answers, [true, true, false, true], TRUST_PROXY);
    }
  });

  await t.test("and of IPv6 a network has it", async (t) => {
    const server = await serverWith(t, { ...env, TRUST_PROXY: "1" });
    const knocks = [
      "2001:db8:1:2::1",
      "2001:db8:1:2:ffff::2",
      "2001:db8:1:2:3:4:5:6",
      "2001:db8:1:3::",
    ];
    const answers = [];
    for (const address of knocks) answers.push(isOpen(await knock(t, server, from(address))));
    t.strictSame(answers, [true, true, false, true]);
  });

  await t.test("but not behind a balancer of which nobody has told us", async (t) => {
    const server = await serverWith(t, env);
    for (let i = 0; i < 4; i++) t.ok(isOpen(await knock(t, server, from("1.1.1.1"))));
  });

  await t.test("nor by what a client says of itself to a proxy", async (t) => {
    const server = await serverWith(t, { ...env, TRUST_PROXY: "1" });
    const answers = [];
    for (let i = 0; i < 3; i++) {
      answers.push(isOpen(await knock(t, server, from(`9.9.9.${String(i)}, 1.1.1.1`))));
    }
    t.strictSame(answers, [true, true, false]);
  });
});

void t.test("an address that comes too quickly is told to wait, and then is let in", async (t) => {
  const limits = { NEW_CONNECTIONS_PER_S: "1", NEW_CONNECTIONS_BURST: "3" };
  const server = await serverWith(t, { ...limits, TRUST_PROXY: "1" });
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(await knock(t, server));
  t.ok(answers.slice(0, 3).every(isOpen));
  t.match(answers.at(-1), { status: 429, retryAfter: "1" });
  t.ok(isOpen(await knock(t, server, { headers: { "x-forwarded-for": "8.8.8.8" } })), "others are");
  await eventually(async () => isOpen(await knock(t, server)));
  t.ok(refusalCodes(server).has("too_many_new_connections"), "and it is logged");
});

void t.test("with tokens a full room is told only to those who may come in", async (t) => {
  const { signing, env } = await withSecret();
  const server = await serverWith(t, { ...env, MAX_CONNECTIONS_PER_ROOM: "1" });
  const session = randomUUID();
  const token = await sign(signing, { session_id: session, role: "student" });
  const headers = { authorization: `Bearer ${token}` };
  const first = await knock(t, server, { session, headers });
  t.match(await knock(t, server, { session, headers }), { status: 429 });
  t.match(await knock(t, server, { session }), { status: 401 });
  await closeAndWait(first);
  await eventually(async () => isOpen(await knock(t, server, { session, headers })));
});

const KINDS = {
  "in memory": (t: Test, env: Env) => serverWith(t, env),
  "on Redis": async (t: Test, env: Env) => {
    const cluster = await startCluster({ replicas: 1, env });
    t.teardown(() => cluster.stop());
    const [replica] = cluster.replicas;
    if (!replica) throw new Error("no replica");
    return replica;
  },
};

for (const [kind, start] of Object.entries(KINDS)) {
  void t.test(`a full room is closed to its role alone, ${kind}`, async (t) => {
    const server = await start(t, { MAX_CONNECTIONS_PER_ROOM: "2" });
    const session = randomUUID();
    const first = await knock(t, server, { session });
    t.ok(isOpen(await knock(t, server, { session })));
    for (const [what, { query, headers }] of Object.entries(HANDSHAKES)) {
      const { status, head } = await rawGet(server.url, `${pathOf(session)}${query}`, headers);
      t.equal(status, 429, what);
      t.match(head, /retry-after: \d/i, what);
    }
    t.ok(isOpen(await knock(t, server)), "another session");
    // The stock client, by its path and by the default one, comes back until somebody has gone.
    const waiting = [
      io(server.url, { path: pathOf(session), forceNew: true }),
      io(server.url, { auth: { session_id: session, role: "student" }, forceNew: true }),
    ];
    t.teardown(() => waiting.map((socket) => socket.close()));
    const heard = async (of: Pick<Socket, "once"> | Socket["io"], event: string) =>
      new Promise<void>((resolve) => {
        (of as Pick<Socket, "once">).once(event, () => {
          resolve();
        });
      });
    const joined = waiting.map((socket) => heard(socket, "connected"));
    await Promise.all(waiting.map((socket) => heard(socket.io, "reconnect_attempt")));
    await closeAndWait(first);
    await Promise.race(joined);
    t.pass("one of them is in");
    for (const socket of waiting) if (socket.connected) socket.close();
    await Promise.all(joined);
  });
}

void t.test("of upgrades of one session of long polling one is taken", async (t) => {
  const server = await serverWith(t, {
    TRUST_PROXY: "false",
    MAX_CONNECTIONS_PER_ADDRESS: "5",
  });
  const path = `${pathOf("upgrades")}?EIO=4`;
  const handshake = await RawBytes.open(server.url);
  handshake.send(requestHead("GET", `${path}&transport=polling`, []));
  await handshake.until('"sid":"');
  const sid = /"sid":"([^"]+)"/.exec(handshake.received)?.[1] ?? "";
  const upgrade = upgradeHead(`${path}&transport=websocket&sid=${encodeURIComponent(sid)}`);

  const first = await RawBytes.open(server.url);
  first.send(upgrade, textFrame("2probe"));
  await first.until("3probe");
  const second = await RawBytes.open(server.url);
  second.send(upgrade);
  await second.until("HTTP/1.1 400");
  t.match(second.received, "it takes no other one");
  await second.ended();
  first.send(textFrame("5"));
  t.teardown(() => {
    first.socket.destroy();
    handshake.socket.destroy();
  });

  // Before it was upgraded, and afterwards.
  const many = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const raw = await RawBytes.open(server.url);
      t.teardown(() => raw.socket.destroy());
      raw.send(upgrade);
      await Promise.race([raw.ended(), raw.until("HTTP/1.1").catch(() => undefined)]);
      return raw.received;
    }),
  );
  t.ok(
    many.every((answer) => !answer.includes("101 Switching")),
    "none gets a WebSocket",
  );
});

void t.test("a connection is given one WebSocket, by whatever it began", async (t) => {
  const server = await serverWith(t, {});
  const path = `${pathOf("once")}?EIO=4`;
  const open = async () => {
    const raw = await RawBytes.open(server.url);
    t.teardown(() => raw.socket.destroy());
    return raw;
  };
  const begin = async (head: string) => {
    const raw = await open();
    raw.send(head);
    await raw.until('"maxPayload"');
    const sid = /"sid":"([^"]+)"/.exec(raw.received)?.[1] ?? "";
    return {
      raw,
      upgrade: upgradeHead(`${path}&transport=websocket&sid=${encodeURIComponent(sid)}`),
    };
  };
  const isRefused = async (upgrade: string) => {
    const another = await open();
    another.send(upgrade);
    await another.until("HTTP/1.1 400");
    t.match(another.received, "it takes no other one");
    await another.ended();
  };

  const webSocket = await begin(upgradeHead(`${path}&transport=websocket`));
  await isRefused(webSocket.upgrade);
  webSocket.raw.send(textFrame("40"));
  await webSocket.raw.until("connected");
  await isRefused(webSocket.upgrade);

  const polling = await begin(requestHead("GET", `${path}&transport=polling`, []));
  const given = await open();
  // No probe: it is closed, and the connection goes on without.
  given.send(polling.upgrade, textFrame("4"));
  await given.ended();
  t.match(given.received, " 101 ");
  await isRefused(polling.upgrade);
});
