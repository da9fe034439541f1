/** One connection that sends more messages than it may: all of them are read in their time, or it is sent away. */
import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { frame, OPCODES, RawBytes, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { rawPlain, rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalsIn } from "./refusals-in.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const EIO = "?EIO=4&transport=websocket";
/** Several of what the server reads at once. */
const FLOOD_BYTES = 256 * 1024;
/** Close code 1008, as the payload of a close frame. */
const POLICY_VIOLATION = "\u0088\u0013\u0003\u00f0too_many_messages";
/** Of the default rate. */
const PER_S = 20;
const BURST = 50;
/** Far above what a message costs, and far below what a flood of them would. */
const MAX_WAIT_MS = 1_500;

const path = () => `/ws/session/${randomUUID()}/student/`;

const FLOODS: Readonly<Record<string, { query: string; frame: Buffer }>> = {
  "plain: pings of RFC 6455": { query: "", frame: frame(OPCODES.ping, "") },
  "plain: pongs of RFC 6455": { query: "", frame: frame(OPCODES.pong, "") },
  "plain: pings of the contract": { query: "", frame: textFrame('{"type":"ping"}') },
  "plain: junk": { query: "", frame: frame(OPCODES.text, "x") },
  "Socket.IO: pings of RFC 6455": { query: EIO, frame: frame(OPCODES.ping, "x") },
  "Socket.IO: pongs of RFC 6455": { query: EIO, frame: frame(OPCODES.pong, "") },
  "Socket.IO: pings of the contract": { query: EIO, frame: textFrame('42["ping"]') },
  "Socket.IO: pongs of Engine.IO": { query: EIO, frame: textFrame("3") },
  "Socket.IO: junk": { query: EIO, frame: textFrame("x") },
};

/** Sends frames without end; resolves with all that came until the server has ended the connection. */
async function flood(t: Test, url: string, query: string, bytes: Buffer): Promise<string> {
  const raw = await RawBytes.open(url);
  t.teardown(() => raw.socket.destroy());
  raw.send(upgradeHead(`${path()}${query}`));
  await raw.until(query === "" ? "connected" : '"maxPayload"');
  if (query !== "") raw.send(textFrame("40"));
  const chunk = Buffer.alloc(FLOOD_BYTES - (FLOOD_BYTES % bytes.length), bytes);
  const pump = () => {
    while (raw.socket.writable && raw.socket.write(chunk)) continue;
  };
  raw.socket.on("drain", pump);
  pump();
  await raw.ended();
  return raw.received;
}

void t.test("a flood costs others nothing, and is sent away", { timeout: 60_000 }, async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const good = await Promise.all([rawPlain(server.url, path()), rawSocketIo(server.url, path())]);
  t.teardown(() => Promise.all(good.map((client) => client.close())));
  let isOver = false;
  let longest = 0;
  const watching = good.map(async (client) => {
    while (!isOver) {
      const start = performance.now();
      await client.answersPing();
      longest = Math.max(longest, performance.now() - start);
      // At the pace that everybody may ping at.
      await new Promise((resolve) => setTimeout(resolve, 1_000 / (PER_S / 2)));
    }
  });
  await Promise.all(
    Object.entries(FLOODS).map(async ([name, { query, frame }]) => {
      const received = await flood(t, server.url, query, frame);
      t.ok(received.includes(POLICY_VIOLATION), `${name}: it is told why`);
      const answers = received.split('"event":"pong"').length - 1;
      t.ok(answers <= BURST + PER_S * 13, `${name}: ${String(answers)} messages were answered`);
    }),
  );
  isOver = true;
  await Promise.all(watching);
  t.comment(`longest answer to others: ${longest.toFixed(0)} ms`);
  t.ok(longest < MAX_WAIT_MS, `others are answered within ${longest.toFixed(0)} ms`);
  t.ok(refusalsIn(server.output()).get("too_many_messages"), "it is told to the log");
});

for (const [name, open] of [
  ["a plain connection", rawPlain],
  ["a Socket.IO connection", rawSocketIo],
] as const) {
  void t.test(`more than a burst is answered whole, in its time, on ${name}`, async (t) => {
    const server = await startServer();
    t.teardown(() => server.stop());
    const client = await open(server.url, path());
    t.teardown(() => client.close());
    const start = performance.now();
    const more = 30;
    const ping = name.includes("plain") ? '{"type":"ping"}' : '42["ping"]';
    for (let i = 0; i < BURST + more; i++) client.send(ping);
    await client.frames.until(
      (frames) => frames.filter((it) => it.includes('"pong"')).length >= BURST + more,
    );
    const tookMs = performance.now() - start;
    t.ok(tookMs > (more / PER_S) * 1_000 - 200, `not before its time: ${tookMs.toFixed(0)} ms`);
    t.ok(client.isOpen);
  });
}

void t.test("an answer to the server's own ping is not counted", async (t) => {
  // More often than messages may come; who has not answered by the next one is gone.
  const env = { MESSAGES_PER_S: "1", MESSAGES_BURST: "2", PING_INTERVAL_MS: "500" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const answering = ["", EIO].map(async (query) => {
    const raw = await RawBytes.open(server.url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(`${path()}${query}`));
    if (query !== "") raw.send(textFrame("40"));
    await raw.until("connected");
    const asks = query === "" ? "\u0089\u0000" : "\u0081\u00012";
    for (let i = 1; i <= 20; i++) {
      await raw.until(asks, i);
      raw.send(query === "" ? frame(OPCODES.pong, "") : textFrame("3"));
    }
    const start = performance.now();
    raw.send(textFrame(query === "" ? '{"type":"ping"}' : '42["ping"]'));
    await raw.until("pong");
    const tookMs = performance.now() - start;
    t.ok(tookMs < 5_000, `twenty of them cost nothing: ${tookMs.toFixed(0)} ms`);
  });
  await Promise.all(answering);
});

void t.test(
  "who keeps far below the rate is answered at once, however small a burst is",
  async (t) => {
    const server = await startServer({ env: { MESSAGES_PER_S: "10000", MESSAGES_BURST: "1" } });
    t.teardown(() => server.stop());
    const client = await rawPlain(server.url, path());
    t.teardown(() => client.close());
    const start = performance.now();
    const rounds = 40;
    for (let round = 1; round <= rounds; round++) {
      for (let i = 0; i < 5; i++) client.send('{"type":"ping"}');
      await client.frames.until(
        (frames) => frames.filter((it) => it.includes('"pong"')).length >= 5 * round,
      );
    }
    const tookMs = performance.now() - start;
    // Four looks, of 25 ms, for each five at the worst; it was four of 250 ms.
    t.ok(tookMs < rounds * 250, `${tookMs.toFixed(0)} ms`);
    t.ok(client.isOpen);
  },
);

void t.test("long messages cost what they are, however few", async (t) => {
  const env = { MESSAGES_PER_S: "5", MAX_FRAME_BYTES: "65536" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const sendEight = async (length: number) => {
    const raw = await RawBytes.open(server.url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(path()));
    await raw.until("connected");
    for (let i = 0; i < 8; i++) raw.send(textFrame("x".repeat(length)));
    raw.send(textFrame('{"type":"ping"}'));
    return raw;
  };
  const short = await sendEight(1);
  await short.until('"pong"');
  const long = await sendEight(60_000);
  await long.ended();
  t.ok(long.received.endsWith(POLICY_VIOLATION));
});
