import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalCodes } from "./helpers/refusal-log.js";

/** More than the kernels hold of one connection. */
const PAGE_BYTES = 32 * 1024 * 1024;
const NOTE = "x".repeat(60_000);
const NOTES = 560;

/** A replica with one room whose history fills a page; a client that asks for it, and reads nothing. */
async function openUnread(t: Test, env: Readonly<Record<string, string>> = {}, notes = NOTES) {
  const server = await startServer({
    env: {
      HISTORY_PAGE_BYTES: String(PAGE_BYTES),
      HISTORY_MAX_BYTES: String(2 * PAGE_BYTES),
      MAX_UNREAD_BYTES: String(4 * PAGE_BYTES),
      ...env,
    },
  });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  for (let i = 0; i < notes; i++) {
    await emitter.emit(session, "important", { note: NOTE, capture_url: null });
  }
  const page = requestHead("GET", `/sessions/${session}/events?role=student&limit=1000`, []);
  const ask = async (times: number) => {
    const client = await RawBytes.open(server.url, { allowHalfOpen: true });
    t.teardown(() => client.socket.destroy());
    client.socket.pause();
    client.send(page.repeat(times));
    return client;
  };
  return { server, ask };
}

void t.test("an answer that nobody reads is let go of in its time", async (t) => {
  const { server, ask } = await openUnread(t, { REQUEST_TIMEOUT_MS: "1500" });
  await ask(1);
  await eventually(() => Promise.resolve(refusalCodes(server).has("slow_reader")));
  t.match(server.output(), /"protocol":"http".*"code":"slow_reader"/);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

void t.test("answers that nobody reads do not pile up", async (t) => {
  const { server, ask } = await openUnread(t, { MAX_UNREAD_BYTES: String(PAGE_BYTES) });
  // A request may take half a minute, and so may the reading of its answer.
  await ask(4);
  await eventually(() => Promise.resolve(refusalCodes(server).has("slow_reader")));
  t.notMatch(server.output(), "too_many_messages");
});

void t.test("who reads slowly, but reads, gets all of it", async (t) => {
  const { server, ask } = await openUnread(t, {}, 150);
  const client = await ask(2);
  const all = 2 * 150 * NOTE.length;
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    client.socket.on("close", () => {
      reject(new Error(`it was cut after ${String(bytes)} of ${String(all)} bytes`));
    });
    client.socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > all) resolve();
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    client.socket.resume();
  });
  t.notOk(refusalCodes(server).has("slow_reader"));
});
