/** Frames and bodies that are too long, or say that they are. */
import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { frame, OPCODES, RawBytes, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { engineConnection, startInProcess } from "../helpers/processes/app-in-process.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalsIn } from "./refusals-in.js";

const EIO = "?EIO=4&transport=websocket";
/** Close frames: of 1009 and of 1008, which say why. */
const TOO_LARGE = "\u0088\u000b\u0003\u00f1too_large";
const TOO_MANY = "\u0088\u0013\u0003\u00f0too_many_messages";
const MAX_CONNECT_FRAME_BYTES = 64 * 1024;
const MAX_FRAME_BYTES = 4 * 1024;

const path = () => `/ws/session/${randomUUID()}/student/`;
const server = await startServer();
t.teardown(() => server.stop());

/** What a client's frame says of its length, and nothing behind it. */
function announce(bytes: bigint, { isFinal = true } = {}): Buffer {
  const header = Buffer.alloc(14);
  header[0] = (isFinal ? 0x80 : 0) | OPCODES.text;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(bytes, 2);
  return header;
}

/** A CONNECT packet of a length, in a frame. */
function connectFrame(length: number): Buffer {
  const packet = `40{"token":"${"x".repeat(length - '40{"token":""}'.length)}"}`;
  return Buffer.concat([announce(BigInt(length)), Buffer.from(packet)]);
}

async function open(t: Test, query: string): Promise<RawBytes> {
  const raw = await RawBytes.open(server.url);
  t.teardown(() => raw.socket.destroy());
  raw.send(upgradeHead(`${path()}${query}`));
  await raw.until(query === "" ? "connected" : '"maxPayload"');
  return raw;
}

/** Whether a connection has been closed because of what was sent on it. */
async function isCutFor(raw: RawBytes, bytes: Buffer, why: string): Promise<boolean> {
  raw.send(bytes);
  await raw.until(why);
  await raw.ended();
  return true;
}

void t.test("a plain client may send 4 KiB, and say no more than that of it", async (t) => {
  const fits = await open(t, "");
  const long = Buffer.alloc(MAX_FRAME_BYTES, "x");
  fits.send(announce(BigInt(MAX_FRAME_BYTES)), long, textFrame('{"type":"ping"}'));
  await fits.until('"event":"pong"');
  for (const length of [MAX_FRAME_BYTES + 1, 2 ** 20, 2 ** 31, 2 ** 32 + 1, 2 ** 52]) {
    t.ok(await isCutFor(await open(t, ""), announce(BigInt(length)), TOO_LARGE), String(length));
  }
  t.ok(await isCutFor(await open(t, ""), announce(2n ** 64n - 1n), TOO_LARGE), "2^64 - 1");
});

void t.test("a Socket.IO client may send 64 KiB until CONNECT, and 4 KiB after it", async (t) => {
  const before = await open(t, EIO);
  const tooLong = announce(BigInt(MAX_CONNECT_FRAME_BYTES) + 1n);
  t.ok(await isCutFor(before, tooLong, TOO_LARGE), "before");
  const after = await open(t, EIO);
  after.send(connectFrame(MAX_CONNECT_FRAME_BYTES));
  await after.until('"event":"connected"');
  after.send(announce(BigInt(MAX_FRAME_BYTES)), Buffer.alloc(MAX_FRAME_BYTES, "x"));
  after.send(textFrame('42["ping"]'));
  await after.until('"event":"pong"');
  t.ok(await isCutFor(after, announce(BigInt(MAX_FRAME_BYTES) + 1n), TOO_LARGE), "after");
});

void t.test("a client that upgrades may send 4 KiB after CONNECT", async (t) => {
  for (const connectsBefore of [true, false]) {
    const at = path();
    const polling = await openPolling(server.url, at);
    t.teardown(() => polling.raw.socket.destroy());
    if (connectsBefore) await polling.postNow("40");
    const raw = await RawBytes.open(server.url);
    t.teardown(() => raw.socket.destroy());
    raw.send(upgradeHead(`${at}${EIO}&sid=${polling.sid}`), textFrame("2probe"));
    await raw.until("3probe");
    raw.send(textFrame("5"));
    if (!connectsBefore) raw.send(connectFrame(MAX_CONNECT_FRAME_BYTES));
    raw.send(textFrame('42["ping"]'));
    await raw.until('"event":"pong"');
    const what = connectsBefore ? "by polling" : "by the WebSocket";
    t.ok(await isCutFor(raw, announce(BigInt(MAX_FRAME_BYTES) + 1n), TOO_LARGE), what);
  }
});

void t.test("a message in many fragments is as long as all of them", async (t) => {
  const part = "x".repeat(120);
  const first = frame(OPCODES.text, part, { isFinal: false });
  const next = frame(OPCODES.continuation, part, { isFinal: false });
  for (const query of ["", EIO]) {
    const fits = await open(t, query);
    if (query !== "") fits.send(textFrame("40"));
    const parts = Array.from({ length: 10 }, () => next);
    fits.send(first, ...parts, frame(OPCODES.continuation, "x"));
    fits.send(textFrame(query === "" ? '{"type":"ping"}' : '42["ping"]'));
    await fits.until('"event":"pong"');
    const empty = frame(OPCODES.continuation, "", { isFinal: false });
    const many = Buffer.alloc(empty.length * 10_000, empty);
    t.ok(await isCutFor(fits, Buffer.concat([first, many]), TOO_MANY), "many that hold nothing");
  }
});

void t.test("a long-polling client may send 64 KiB until CONNECT, and 4 KiB after", async (t) => {
  const padding = "x".repeat(MAX_CONNECT_FRAME_BYTES - '40{"token":""}'.length);
  const fits = await openPolling(server.url, path());
  t.teardown(() => fits.raw.socket.destroy());
  t.equal(await fits.postNow(`40{"token":"${padding}"}`), 200);
  t.equal(await fits.postNow("x".repeat(MAX_FRAME_BYTES)), 200);
  t.equal(await fits.postNow("x".repeat(MAX_FRAME_BYTES + 1)), 413);
  await fits.raw.ended();
  for (const chunked of [false, true]) {
    const before = await openPolling(server.url, path());
    t.teardown(() => before.raw.socket.destroy());
    const body = "x".repeat(MAX_CONNECT_FRAME_BYTES + 1);
    t.equal(await before.postNow(body, { chunked }), 413, chunked ? "in chunks" : "at once");
    await before.raw.ended();
    t.equal(await before.statusOfPoll(), 400, "the connection has ended");
  }
});

void t.test("a body that is announced to be too long is not waited for", async (t) => {
  const client = await openPolling(server.url, path());
  const { raw } = client;
  t.teardown(() => raw.socket.destroy());
  raw.send(client.head("POST", ["Content-Length: 1000000000"]));
  await raw.until(" 413 ");
  await raw.ended();
});

void t.test("what was too long is told to the log", (t) => {
  t.ok(refusalsIn(server.output()).get("too_large"));
  t.end();
});

void t.test("behind a frame that is too long no more is read, and nothing is kept", async (t) => {
  const app = await startInProcess(t);
  const raw = await RawBytes.open(app.url);
  t.teardown(() => raw.socket.destroy());
  raw.send(upgradeHead(`${path()}${EIO}`));
  await raw.until('"maxPayload"');
  raw.send(textFrame("40"));
  await raw.until("connected");
  const { socket } = engineConnection(app.sockets()[0]).transport;
  const { _socket: below, _receiver: receiver } = socket as unknown as {
    readonly _socket: { readonly bytesRead: number };
    readonly _receiver: {
      readonly _buffers: readonly Buffer[];
      startLoop(done: () => void): void;
    };
  };
  const flood = 8 * 1024 * 1024;
  raw.send(announce(BigInt(flood)), Buffer.alloc(flood));
  await raw.until(TOO_LARGE);
  t.equal(receiver._buffers.length, 0, "nothing is kept while its client may read why");
  // ws may be about to read on what it had read.
  receiver.startLoop(() => undefined);
  t.strictSame(app.errors, []);
  await raw.ended();
  t.ok(below.bytesRead < flood / 16, `${String(below.bytesRead)} bytes were read`);
});
