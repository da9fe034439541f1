/** A crowd that connects, and then asks at once: so many are read in one turn of the event loop. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import t, { type Test } from "tap";
import { ClientAddresses } from "../../server/dist/edge/gate/client-addresses.js";
import { dropper } from "../../server/dist/edge/guard.js";
import { createLimitedServer } from "../../server/dist/edge/http/server.js";
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
/** As many as are read at once. */
const AT_ONCE = 32;
const REQUEST = requestHead("GET", "/", ["Connection: close"]);

/** A server to which a crowd has connected that has said nothing yet. */
async function crowded(t: Test) {
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
  const server = createLimitedServer(LIMITS, parts, (_request, response) => {
    count();
    response.end("answered");
  });
  server.on("upgrade", (_request, socket) => {
    count();
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\nanswered");
  });
  let accepted = 0;
  server.on("connection", () => accepted++);
  server.on("clientError", (_error, socket) => socket.destroy());
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
  return { crowd, another, turns };
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
    t.ok(Math.max(...turns) <= AT_ONCE, `at most ${String(Math.max(...turns))} in a turn`);
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
