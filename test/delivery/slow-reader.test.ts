import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect, type Emitter } from "@inthon/emitter";
import { join, type Client } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startServer } from "../helpers/processes/server-process.js";

const LARGE = 60_000;
/** In all more than the kernel keeps for a connection, and much more than the server does by default. */
const BURSTS = 20;
const BURST = 16;

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  // Who is asked for a sign of life, and does not read the question, would be gone for that.
  const quiet = { PING_INTERVAL_MS: "300000", PING_TIMEOUT_MS: "300000" };
  const server = await startServer({ env: { ...quiet, ...env } });
  t.teardown(() => server.stop());
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const others = await Promise.all(
    (["websocket", "plain", "polling", "event-stream"] as const).map((kind) =>
      join({ url: server.url, session, role: "student", kind }),
    ),
  );
  t.teardown(() => Promise.all(others.map((client) => client.close())));
  return { server, url: server.url, emitter, session, others };
}

/** A number, and what makes it long. */
function note(n: number): string {
  return `${n} `.padEnd(LARGE, String.fromCharCode(97 + (n % 26)));
}

/** What is left of a note where it arrived whole. */
function shorten(text: unknown): string {
  const n = parseInt(String(text));
  return text === note(n) ? String(n) : `broken: ${String(text).slice(0, 20)}`;
}

async function publishBurst(emitter: Emitter, session: string, burst: number) {
  const events = Array.from({ length: BURST }, (_, i) => ({
    event: "important" as const,
    note: note(burst * BURST + i),
    capture_url: null,
  }));
  await emitter.emitAll(session, events);
}

function numbers(bursts: number): string[] {
  return Array.from({ length: bursts * BURST }, (_, n) => String(n));
}

/** Waits until all have everything, in order, while somebody else reads nothing. */
async function haveEverything(t: Test, clients: readonly Client[], expected: readonly string[]) {
  for (const { inbox, kind } of clients) {
    await inbox.until(({ length }) => length > expected.length);
    const heard = inbox.items.slice(1).map(({ object }) => shorten(object["note"]));
    t.strictSame(heard, expected, `${kind} is not held up`);
  }
}

/** A WebSocket that stops reading when it has been told `connected`. */
async function slowReader(t: Test, target: string) {
  const socket = new WebSocket(target.replace("http", "ws"), { perMessageDeflate: false });
  /** The names of what it is told, and of what is long the number. */
  const told = new Inbox<string>();
  socket.on("message", (data) => {
    const frame = (data as Buffer).toString();
    if (frame.startsWith("0{")) socket.send("40");
    const [, name = "no event"] = /"event":"(\w+)"/.exec(frame) ?? [];
    const [, text] = /"note":"([^"]*)"/.exec(frame) ?? [];
    told.add(text === undefined ? name : shorten(text));
    if (name === "connected") socket.pause();
  });
  // Followed by `close`.
  socket.on("error", () => undefined);
  const closed = new Inbox<number>();
  socket.on("close", (code) => {
    closed.add(code);
  });
  t.teardown(() => {
    socket.terminate();
  });
  await told.next((name) => name === "connected");
  const notes = () => told.items.slice(told.items.indexOf("connected") + 1);
  return { socket, told, notes, closed };
}

void t.test("a Socket.IO client that reads late gets everything, in order", async (t) => {
  const { url, emitter, session, others } = await start(t, { MAX_UNREAD_BYTES: "67108864" });
  const target = `${url}/ws/session/${session}/student/?EIO=4&transport=websocket`;
  const slow = await slowReader(t, target);
  for (let burst = 0; burst < BURSTS; burst++) await publishBurst(emitter, session, burst);
  const expected = numbers(BURSTS);
  await haveEverything(t, others, expected);
  t.ok(slow.notes().length < expected.length / 2, "it has read next to nothing");

  slow.socket.resume();
  // In the middle of its reading, when Engine.IO still holds some of it back.
  await slow.told.until(() => slow.notes().length > 0);
  t.ok(slow.notes().length < expected.length, "it has not read all");
  await emitter.emit(session, "hard_alert", { capture_url: null });
  await slow.told.next((name) => name === "hard_alert");
  await emitter.emit(session, "question_like_update", { question_id: 1, like_count: 1 });
  await slow.told.next((name) => name === "question_like_update");
  t.strictSame(slow.notes(), [...expected, "hard_alert", "question_like_update"]);
  t.equal(slow.socket.readyState, WebSocket.OPEN);
});
