/** What every protocol promises to who comes back: one body over the four of them. */
import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { READERS, type Place } from "./helpers/readers.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const LARGE = 60_000;
const BURST = 16;
/** Far more than the kernel keeps for connections that nobody reads. */
const MAX_BURSTS = 40;
/** As a plain client is told that it reads too slowly. */
const TRY_AGAIN_LATER = 1013;

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const cluster = await startCluster({ replicas: 2, env });
  t.teardown(() => cluster.stop());
  const [here, elsewhere] = cluster.replicas;
  if (!here || !elsewhere) throw new Error("two replicas were started");
  // By HTTP, and so with the replicas' limits of a history.
  const emitter = await connect(elsewhere.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  /** All four come to a replica, anew or from their places. */
  const enter = async (url: string, places?: Readonly<Record<string, Place>>) => {
    const opened = Object.entries(READERS).map(async ([protocol, open]) => {
      const reader = await open(url, session, places?.[protocol]);
      t.teardown(() => {
        reader.close();
      });
      return { protocol, reader };
    });
    return Promise.all(opened);
  };
  const say = async (...notes: string[]) => {
    const event = (note: string) => ({ event: "important", note, capture_url: null }) as const;
    await emitter.emitAll(session, notes.map(event));
  };
  return { here, elsewhere, session, enter, say };
}

type Visitors = Awaited<ReturnType<Awaited<ReturnType<typeof start>>["enter"]>>;

function placesOf(visitors: Visitors): Record<string, Place> {
  return Object.fromEntries(visitors.map(({ protocol, reader }) => [protocol, reader.place]));
}

void t.test("who loses its replica by kill -9 gets what it missed from another one", async (t) => {
  const { here, elsewhere, enter, say } = await start(t);
  const before = await enter(here.url);
  await say("a", "b", "c");
  for (const { reader } of before) await reader.told.next((note) => note === "c");
  here.kill("SIGKILL");
  for (const { reader } of before) await reader.lost;
  await say("d", "e");
  const after = await enter(elsewhere.url, placesOf(before));
  for (const { reader } of after) await reader.told.next((note) => note === "e");
  await say("f");
  for (const { protocol, reader } of after) {
    await reader.told.next((note) => note === "f");
    t.strictSame(reader.told.items, ["connected", "d", "e", "f"], protocol);
  }
});

void t.test("who leaves too much unread is cut, and misses nothing when it is back", async (t) => {
  const { here, elsewhere, session, enter, say } = await start(t, {
    HISTORY_MAX_BYTES: String(64 * 1024 * 1024),
    // Who is asked for a sign of life, and does not read the question, would be gone for that.
    PING_INTERVAL_MS: "300000",
    PING_TIMEOUT_MS: "300000",
  });
  const others = await Promise.all(
    Object.keys(READERS).map((kind) =>
      join({ url: here.url, session, role: "student", kind: kind as "plain" }),
    ),
  );
  t.teardown(() => Promise.all(others.map((client) => client.close())));
  const slow = await enter(here.url);
  for (const { reader } of slow) reader.stopReading();

  /** Who has been cut, by what the log says of their ends. */
  const cut = () =>
    here
      .output()
      .split("\n")
      .filter((line) => line.includes('"disconnected"') && line.includes('"reason":"slow_reader"'))
      .map((line) => (JSON.parse(line) as { protocol: string }).protocol);
  const published: string[] = [];
  while (cut().length < slow.length && published.length < MAX_BURSTS * BURST) {
    const notes = Array.from({ length: BURST }, (_, i) =>
      `${String(published.length + i)} `.padEnd(LARGE, String.fromCharCode(97 + (i % 26))),
    );
    published.push(...notes);
    await say(...notes);
    // Nobody is held up by those who do not read.
    for (const { inbox } of others) await inbox.until(({ length }) => length > published.length);
  }
  await eventually(() => Promise.resolve(cut().length >= slow.length)).catch(() => undefined);
  t.strictSame(cut().sort(), Object.keys(READERS).sort(), "each of them, and nobody else");
  for (const { inbox, kind } of others) {
    const heard = inbox.items.slice(1).map(({ object }) => object["note"]);
    t.ok(heard.join() === published.join(), `${kind} has everything, in order`);
  }

  for (const { reader } of slow) reader.readOn();
  for (const { protocol, reader } of slow) {
    const code = await reader.lost;
    if (protocol === "plain") t.equal(code, TRY_AGAIN_LATER);
  }
  const back = await enter(elsewhere.url, placesOf(slow));
  for (const [i, { protocol, reader }] of back.entries()) {
    const first = slow[i]?.reader.told.items.slice(1) ?? [];
    t.ok(first.length < published.length, `${protocol}: not everything was kept for it`);
    const missed = published.length - first.length;
    await reader.told.until(({ length }) => length > missed);
    const heard = [...first, ...reader.told.items.slice(1)];
    const numbers = (notes: readonly string[]) => notes.map((note) => parseInt(note));
    t.strictSame(numbers(heard), numbers(published), `${protocol}: no hole, and none twice`);
    t.ok(heard.join() === published.join(), `${protocol}: each of them whole`);
  }
});
