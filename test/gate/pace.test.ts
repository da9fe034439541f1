import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { refuseInTurn } from "../../server/dist/edge/http/last-words.js";
import { HttpProblem } from "../../server/dist/edge/http/problems.js";
import { Pace } from "../../server/dist/edge/intake/pace.js";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { namedKey, nowS, sign } from "./helpers/issuers.js";
import { startServer } from "../helpers/processes/server-process.js";

const LIMITS = { perS: 100, burst: 3, maxWaiting: 5 };

void t.test(
  "so many go at once, the others in their order, and who is too many is cut",
  async (t) => {
    const dropped: unknown[] = [];
    const pace = new Pace(LIMITS, (error) => dropped.push(error));
    const gone: number[] = [];
    const cut: number[] = [];
    const startedAt = performance.now();
    for (let i = 0; i < 10; i++) {
      pace.pass({ destroy: () => cut.push(i) }, () => gone.push(i));
    }
    t.strictSame(gone, [0, 1, 2]);
    t.equal(pace.waiting, 5);
    t.strictSame(cut, [8, 9]);
    while (pace.waiting > 0) await delay(1);
    t.strictSame(gone, [0, 1, 2, 3, 4, 5, 6, 7]);
    t.ok(performance.now() - startedAt >= 49, "each of five a hundredth of a second later");
    t.strictSame(dropped, []);
  },
);

void t.test("an error costs the one whose turn it is", async (t) => {
  const unexpected = new Error("nobody expected it");
  const dropped: unknown[] = [];
  const pace = new Pace(LIMITS, (error, connection) => {
    dropped.push(error);
    connection.destroy();
  });
  const gone: number[] = [];
  const cut: number[] = [];
  for (let i = 0; i < 5; i++) {
    pace.pass({ destroy: () => cut.push(i) }, () => {
      if (i % 2 === 0) throw unexpected;
      gone.push(i);
    });
  }
  while (pace.waiting > 0) await delay(1);
  t.strictSame(gone, [1, 3]);
  t.strictSame(cut, [0, 2, 4]);
  t.strictSame(dropped, [unexpected, unexpected, unexpected]);
});

void t.test("who has gone takes nobody's turn, nor anybody's place", async (t) => {
  const pace = new Pace(LIMITS, () => undefined);
  const gone: number[] = [];
  const destroy = () => undefined;
  for (let i = 0; i < 8; i++) {
    pace.pass({ destroy, destroyed: i % 2 === 1 }, () => gone.push(i));
  }
  t.strictSame(gone, [0, 2, 4]);
  for (let i = 8; i < 13; i++) pace.pass({ destroy }, () => gone.push(i));
  t.ok(pace.waiting <= LIMITS.maxWaiting);
  while (pace.waiting > 0) await delay(1);
  t.strictSame(gone, [0, 2, 4, 6, 8, 9, 10, 11]);
});

void t.test("who is to be refused later is let go of when it goes", async (t) => {
  const pace = new Pace({ perS: 1e-6, burst: 1, maxWaiting: 10 }, () => undefined);
  const problem = new HttpProblem(429, "too_many_connections", "come back later");
  const server = createTcpServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const come = async () => {
    const [[socket], client] = await Promise.all([
      once(server, "connection") as Promise<[Socket]>,
      RawBytes.open(url),
    ]);
    t.teardown(() => socket.destroy());
    refuseInTurn(pace, socket, problem);
    return { socket, client };
  };
  const first = await come();
  await first.client.until("come back later");
  const [talker, flood] = [await come(), await come()];
  talker.client.send(Buffer.alloc(10_000));
  talker.client.socket.end();
  await once(talker.socket, "close");
  t.equal(talker.client.received, "");
  // So much is read to find that out, and what Node.js reads at once.
  flood.client.send(Buffer.alloc(10_000_000));
  while (flood.socket.bytesRead <= 16 * 1024) await delay(1);
  for (let i = 0; i < 10; i++) await come();
  t.ok(flood.socket.bytesRead <= (16 + 64) * 1024, String(flood.socket.bytesRead));
});

void t.test("nothing is kept of what a client sends before its upgrade is answered", async (t) => {
  const server = await startServer({ env: { AUTH: "off" } });
  t.teardown(() => server.stop());
  const early = await RawBytes.open(server.url);
  early.send(upgradeHead(`/ws/session/${randomUUID()}/student/`), Buffer.alloc(5_000));
  await early.ended();
  t.equal(early.received, "");
  await server.waitForLine((line) => line.includes("more than an early ping") || undefined);
  // Who is refused hears why all the same, whatever it sends.
  const refused = await RawBytes.open(server.url, { allowHalfOpen: true });
  refused.send(upgradeHead("/ws/session/no.session/student/"));
  await refused.until("not_found");
  refused.send(Buffer.alloc(100_000));
  await refused.ended();
  t.match(refused.received, /^HTTP\/1.1 404 /);
});

void t.test("nor while it is looked who it is", async (t) => {
  const { signing } = await namedKey("a");
  const keys = createServer();
  keys.listen(0, "127.0.0.1");
  await once(keys, "listening");
  t.teardown(() => {
    keys.closeAllConnections();
    keys.close();
  });
  const { port } = keys.address() as AddressInfo;
  const server = await startServer({ env: { JWKS_URL: `http://127.0.0.1:${String(port)}` } });
  t.teardown(() => server.stop());
  const token = await sign(signing, { session_id: "*", role: "student", exp: nowS() + 60 });
  const early = await RawBytes.open(server.url);
  early.send(upgradeHead(`/ws/session/a/student/?token=${token}`));
  // By then it has been read.
  await fetch(`${server.url}/healthz`);
  early.send(Buffer.alloc(5_000));
  await early.ended();
  t.equal(early.received, "");
  await server.waitForLine((line) => line.includes("more than an early ping") || undefined);
});

void t.test("a crowd that is refused is told so, and holds up nobody who comes in", async (t) => {
  const server = await startServer({ env: { AUTH: "off" } });
  t.teardown(() => server.stop());
  const crowd = async (head: string, status: string) => {
    const clients = await Promise.all(Array.from({ length: 300 }, () => RawBytes.open(server.url)));
    const startedAt = performance.now();
    for (const client of clients) client.send(head);
    const welcome = await RawBytes.open(server.url);
    t.teardown(() => welcome.socket.destroy());
    welcome.send(upgradeHead(`/ws/session/${randomUUID()}/student/`));
    await welcome.until("101 Switching Protocols");
    await Promise.all(clients.map((client) => client.ended()));
    t.ok(
      performance.now() - startedAt > 190,
      "two hundred of them, each a thousandth of a second later",
    );
    const isTold = ({ received }: RawBytes) => received.startsWith(`HTTP/1.1 ${status}`);
    t.equal(clients.filter(isTold).length, clients.length);
  };
  await crowd(upgradeHead("/ws/session/no.session/student/"), "404");
  await crowd(requestHead("GET", "/a b", []), "400");
});
