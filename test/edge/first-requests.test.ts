/** A crowd that connects, and then asks at once: so many are read in one turn of the event loop. */
import { once } from "node:events";
import { Socket, type AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { pino } from "pino";
import t, { type Test } from "tap";
import { ClientAddresses } from "../../server/dist/edge/gate/client-addresses.js";
import { dropper } from "../../server/dist/edge/guard.js";
import { closeOnClientError, createLimitedServer } from "../../server/dist/edge/http/server.js";
import { FirstRequests } from "../../server/dist/edge/intake/first-requests.js";
import { Pace } from "../../server/dist/edge/intake/pace.js";
import { Refusals } from "../../server/dist/telemetry/refusals.js";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";

const LIMITS = {
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 30_000,
  maxAnswersBytes: 2 ** 24,
  requestsPerS: 100,
  requestsBurst: 100,
};
const CROWD = 300;
/** So many newcomers are read at once, and as many of those that have said nothing yet. */
const AT_ONCE = 32;
const REQUEST = requestHead("GET", "/", ["Connection: close"]);

interface CrowdOptions {
  readonly headersTimeoutMs?: number;
}

/** A server to which a crowd has connected that has said nothing yet. */
async function crowded(t: Test, options: CrowdOptions = {}) {
  /** How many requests came in each turn of the event loop in which any came. */
  const turns: number[] = [];
  let isOpen = false;
  const count = () => {
    if (!isOpen) {
      turns.push(0);
      isOpen = true;
      setImmediate(() => (isOpen = false));
    }
    turns.push((turns.pop() ?? 0) + 1);
  };
  const log = pino({ level: "silent" });
  const parts = {
    addresses: new ClientAddresses(false),
    refusals: new Refusals(log),
    isDraining: () => false,
    drop: dropper(log),
  };
  const limits = { ...LIMITS, ...options };
  const server = createLimitedServer(limits, parts, (_request, response) => {
    count();
    response.end("answered");
  });
  server.on("upgrade", (_request, socket) => {
    count();
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\nanswered");
  });
  let accepted = 0;
  server.on("connection", () => accepted++);
  const refusing = new Pace({ perS: 1e6, burst: 1e6, maxWaiting: 1 }, parts.drop);
  const closeOnError = closeOnClientError(parts.refusals, refusing);
  const errors: (string | undefined)[] = [];
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== "ECONNRESET") errors.push(error.code);
    if (socket instanceof Socket) closeOnError(error, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients: RawBytes[] = [];
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy();
    server.close();
  });
  const another = async () => {
    const client = await RawBytes.open(`http://127.0.0.1:${String(port)}`);
    clients.push(client);
    return client;
  };
  const crowd = await Promise.all(Array.from({ length: CROWD }, another));
  while (accepted < CROWD) await once(server, "connection");
  return { crowd, another, turns, errors };
}

const isAnswered = (client: RawBytes) => client.until("answered");

for (const [what, head] of [
  ["requests", REQUEST],
  ["upgrades", upgradeHead("/")],
] as const) {
  void t.test(`${what} of a crowd are read so many in a turn, and all are answered`, async (t) => {
    const { crowd, turns } = await crowded(t);
    for (const client of crowd) client.send(head);
    await Promise.all(crowd.map(isAnswered));
    t.equal(
      turns.reduce((sum, count) => sum + count),
      CROWD,
    );
    t.ok(Math.max(...turns) <= 2 * AT_ONCE, `at most ${String(Math.max(...turns))} in a turn`);
  });
}

void t.test("who says nothing holds up nobody, and is heard when it asks", async (t) => {
  const { crowd, another } = await crowded(t);
  const newcomer = await another();
  newcomer.send(REQUEST);
  await isAnswered(newcomer);
  const [first, ...others] = crowd.reverse();
  first?.send(REQUEST);
  if (first) await isAnswered(first);
  for (const client of others) client.send(REQUEST);
  await Promise.all(others.map(isAnswered));
});

void t.test("nor does who says half of a request, or none at all, or goes", async (t) => {
  const { crowd, another } = await crowded(t);
  const middle = REQUEST.length / 2;
  for (const [i, client] of crowd.entries()) {
    if (i % 3 === 0) client.send(REQUEST.slice(0, middle));
    else if (i % 3 === 1) client.send("nonsense\r\n\r\n");
    else client.socket.destroy();
  }
  const newcomer = await another();
  newcomer.send(REQUEST);
  await isAnswered(newcomer);
  const halves = crowd.filter((_client, i) => i % 3 === 0);
  for (const client of halves) client.send(REQUEST.slice(middle));
  await Promise.all(halves.map(isAnswered));
});

void t.test("what is no request is told so once, however much of it comes", async (t) => {
  const { crowd, errors } = await crowded(t);
  for (const client of crowd) client.send("nonsense\r\n\r\n");
  for (const client of crowd) client.send("nonsense\r\n\r\n".repeat(1_000));
  await Promise.all(crowd.map((client) => client.until("HTTP/1.1 400")));
  await Promise.all(crowd.map((client) => client.ended()));
  t.equal(errors.length, CROWD);
});

void t.test("who is told that its request took too long is not served any more", async (t) => {
  const { crowd, errors, turns } = await crowded(t, { headersTimeoutMs: 1_000 });
  await Promise.all(crowd.map((client) => client.until("HTTP/1.1 408")));
  for (const client of crowd) client.send(REQUEST);
  await Promise.all(crowd.map((client) => client.ended()));
  t.equal(errors.length, CROWD);
  t.strictSame(turns, []);
});

void t.test("who has just come is read before those who have been read in vain", async (t) => {
  const first = new FirstRequests();
  // Its own timers keep no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => {
    clearInterval(alive);
  });
  /** Who is read on, in this order. */
  const read: string[] = [];
  let onRead: () => void = () => undefined;
  const come = (name: string) => {
    const socket = new PassThrough();
    t.teardown(() => socket.destroy());
    socket.resume();
    const resume = socket.resume.bind(socket);
    socket.resume = () => {
      read.push(name);
      onRead();
      return resume();
    };
    first.come(socket);
  };
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      onRead = () => {
        if (read.length >= count) resolve();
      };
      onRead();
    });
  for (let i = 0; i < CROWD; i++) come("silent");
  // All have been read, and some of them once more.
  await until(2 * CROWD);
  read.length = 0;
  for (let i = 0; i < 2 * AT_ONCE; i++) come("newcomer");
  await until(8 * AT_ONCE);
  const sooner = read.slice(0, read.lastIndexOf("newcomer"));
  t.ok(read.filter((name) => name === "newcomer").length >= AT_ONCE, "those that had to wait");
  t.ok(sooner.filter((name) => name === "silent").length <= 3 * AT_ONCE);
});
