import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import fc from "fast-check";
import msgpack from "notepack.io";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import {
  announcedKey,
  epochsKey,
  historyKey,
  idempotencyKeysKey,
  newKeysKey,
  olderKeysKey,
  parseOffset,
  roomName,
  teachersKey,
  type SessionId,
} from "@inthon/emitter/protocol";
import {
  BadBusMessage,
  decodeEvent,
  decodeForeign,
} from "../../server/dist/cluster/redis/incoming/messages.js";
import { readHistoryReply } from "../../server/dist/cluster/redis/incoming/history-reply.js";
import { CLIENT_KINDS, join, socketIo, type Client } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";

/** Inputs for the decoders, and for a whole cluster; `FUZZ_INPUTS=200000` by hand. */
const INPUTS = Number(process.env["FUZZ_INPUTS"] ?? 8_000);
const ON_THE_WIRE = Math.ceil(INPUTS / 8);
const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

const EVENT = {
  event: "important",
  note: "forged",
  capture_url: null,
  created_at: "2026-01-01T00:00:00Z",
};

/** Values that a packet may hold in a place where something else belongs. */
const oddity = fc.oneof(
  fc.constantFrom(null, 0, -1, NaN, "", "1-1", "0-0", "9007199254740991-1", [], {}, true),
  fc.constantFrom("connect", "disconnect", "feedback", "session_ended", "__proto__", "toString"),
  fc.anything({ withNullPrototype: false, maxDepth: 3 }).filter(isPackable),
);
const place = fc.constantFrom("1-1", "2-1", "9007199254740991-1", "1-9007199254740991", "x", "");
const packet = fc.record(
  {
    type: fc.oneof({ weight: 3, arbitrary: fc.constant(2) }, oddity),
    nsp: fc.oneof({ weight: 3, arbitrary: fc.constant("/") }, oddity),
    data: fc.oneof(
      fc.tuple(fc.constant("important"), fc.oneof(fc.constant(EVENT), oddity), place),
      fc.array(oddity, { maxLength: 4 }),
      oddity,
    ),
    id: fc.nat(),
  },
  { requiredKeys: [] },
);
const options = fc.record(
  {
    rooms: fc.oneof(fc.constant([]), fc.array(oddity, { maxLength: 3 }), oddity),
    except: fc.oneof(fc.constant([]), oddity),
    flags: fc.oneof(fc.constant({ compress: true }), oddity),
  },
  { requiredKeys: [] },
);
const whole = fc
  .tuple(fc.oneof(fc.constant("emitter"), oddity), fc.oneof(packet, oddity), options)
  .map(pack);
/** Bytes changed, cut off, or put behind. */
const mutated = fc
  .tuple(whole, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(3))
  .map(([message, changes, kind]) => {
    const copy = Buffer.from(message);
    for (const [at, byte] of changes) copy[at % copy.length] = byte;
    if (kind === 1) return copy.subarray(0, copy.length >> 1);
    return kind === 2 ? Buffer.concat([copy, copy]) : copy;
  });
/** Lengths that lie: room for millions of values, by five bytes each. */
const lies = fc
  .array(
    fc.constantFrom(
      "dd01ffffff",
      "dfffffffff",
      "dcffff",
      "c6ffffffff",
      "c900ffffff00",
      "91",
      "81a161",
    ),
    { maxLength: 400 },
  )
  .map((parts) => Buffer.from(parts.join(""), "hex"));
const message = fc.oneof(
  { weight: 3, arbitrary: mutated },
  { weight: 2, arbitrary: whole },
  { weight: 1, arbitrary: lies },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
);

/** As the decoder has it, the package's types say nothing. */
function pack(value: unknown): Buffer {
  return msgpack.encode(value) as Buffer;
}

function isPackable(value: unknown): boolean {
  try {
    pack(value);
    return true;
  } catch {
    return false;
  }
}

void t.test("whatever a message holds, it is an event, a stock emitter's, or refused", (t) => {
  t.comment(`SEED=${String(SEED)}`);
  const found = { event: 0, foreign: 0, bad: 0 };
  fc.assert(
    fc.property(message, (bytes) => {
      for (const [kind, decode] of [
        ["event", decodeEvent],
        ["foreign", decodeForeign],
      ] as const) {
        try {
          if (decode(bytes)) found[kind]++;
        } catch (error) {
          if (!(error instanceof BadBusMessage)) throw error;
          found.bad++;
        }
      }
    }),
    { numRuns: INPUTS, seed: SEED },
  );
  t.comment(JSON.stringify(found));
  for (const [kind, count] of Object.entries(found)) t.ok(count > 0, kind);
  t.end();
});

void t.test("whatever an answer about a history holds, it is a page of it or refused", (t) => {
  const entry = fc.oneof(
    fc.tuple(fc.constant("7-3"), fc.tuple(fc.constant("event"), fc.json())),
    fc.tuple(place, fc.constant(["event", JSON.stringify(EVENT), "version", "1"])),
    fc.anything(),
  );
  const reply = fc.oneof(
    fc.tuple(fc.constantFrom("7-9", "x", ""), fc.string(), fc.array(entry)),
    fc.anything(),
  );
  fc.assert(
    fc.property(reply, (value) => {
      try {
        const { events } = readHistoryReply(value, () => undefined);
        return events.every(({ position }) => position.n > 0);
      } catch (error) {
        return error instanceof Error && error.message.includes("holds something else");
      }
    }),
    { numRuns: INPUTS, seed: SEED },
  );
  t.end();
});

interface Listener {
  readonly kind: string;
  readonly inbox: Inbox<{ event: string; note: string | undefined }>;
  readonly closed: Promise<unknown>;
  close(): Promise<void>;
}

/** A student who does not mind what else is said. */
async function listen(url: string, session: string, kind: Client["kind"]): Promise<Listener> {
  const inbox: Listener["inbox"] = new Inbox();
  const add = (event: string, object: unknown) => {
    const note = (object as { note?: unknown } | null | undefined)?.note;
    inbox.add({ event, note: typeof note === "string" ? note : undefined });
  };
  if (kind === "plain" || kind === "event-stream") {
    const client = await join({ url, session, role: "student", kind });
    client.inbox.each(({ event, object }) => {
      add(event, object);
    });
    return { kind, inbox, closed: client.closed, close: () => client.close() };
  }
  const socket = socketIo({ url, session, role: "student", kind });
  socket.onAny(add);
  const closed = new Promise((resolve) => socket.once("disconnect", resolve));
  const close = () => {
    socket.close();
    return Promise.resolve();
  };
  await inbox.next(({ event }) => event === "connected");
  return { kind, inbox, closed, close };
}

async function open(t: Test) {
  const lines: string[] = [];
  const cluster = await startCluster({
    replicas: 2,
    env: { LEASE_MS: "2000", PRESENCE_WINDOW_MS: "0" },
    onLine: (_node, line) => lines.push(line),
  });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const session = randomUUID() as SessionId;
  const clients = await Promise.all(
    CLIENT_KINDS.map((kind, i) => listen(cluster.replica(i % 2).url, session, kind)),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const published: string[] = [];
  /** Publishes an event, which every client hears behind those before. */
  const say = async () => {
    const note = `good ${String(published.push(""))}`;
    published[published.length - 1] = note;
    const { offsets } = await emitter.emit(session, "important", { note, capture_url: null });
    await Promise.all(clients.map(({ inbox }) => inbox.next((it) => it.note === note)));
    return offsets.student;
  };
  const heard = ({ inbox }: Listener) =>
    inbox.items.flatMap(({ note }) => (note?.startsWith("good ") === true ? [note] : []));
  const allIsWell = async (t: Test) => {
    await say();
    for (const client of clients) t.strictSame(heard(client), published, client.kind);
    for (const { url } of cluster.replicas) t.equal((await fetch(`${url}/readyz`)).status, 200);
    const bad = lines.filter((line) => /"level":60|nhandled|RangeError|TypeError/.test(line));
    t.strictSame(bad.slice(0, 3), [], "nothing went wrong in a replica");
  };
  return { cluster, redis, session, clients, lines, say, allIsWell };
}

void t.test("whatever is published on any channel, classes go on", async (t) => {
  const { redis, session, lines, say, allIsWell } = await open(t);
  const room = roomName(session, "student");
  const channels = [`socket.io#/#${room}#`, "socket.io#/#", "socket.io-request#/#"];
  channels.push("socket.io-response#/#");
  await say();
  // What ended every replica.
  const forged = [null, EVENT].map((event) => ["feedback", event, "1-1"]);
  forged.push(
    ["important", EVENT as never, "1-1"],
    ["important", EVENT as never, "8000000000000000-1"],
  );
  for (const data of forged) {
    const sent = pack(["emitter", { type: 2, nsp: "/", data }, { rooms: [room] }]);
    await redis.publish(channels[0] ?? "", sent);
    await say();
  }
  // Packets of other types would disconnect clients, or refuse them.
  for (const type of [0, 1, 3, 4, 5, 6]) {
    const sent = pack(["emitter", { type, nsp: "/", data: {} }, { rooms: [room] }]);
    for (const channel of channels) await redis.publish(channel, sent);
  }
  let sent = 0;
  for (const bytes of fc.sample(message, { numRuns: ON_THE_WIRE, seed: SEED })) {
    await redis.publish(channels[sent++ % channels.length] ?? "", bytes);
    if (sent % 100 === 0) await say();
  }
  await allIsWell(t);
  t.ok(
    lines.some((line) => line.includes("bad_bus_message")),
    "it is counted",
  );
});

void t.test("nobody can send clients away, or move them, over Redis", async (t) => {
  const { redis, session, clients, say, allIsWell } = await open(t);
  const room = roomName(session, "student");
  const stock = new StockEmitter(redis);
  stock.disconnectSockets(true);
  stock.in(room).disconnectSockets();
  stock.in(room).socketsLeave(room);
  stock.serverSideEmit("connection", { hello: "there" });
  for (let i = 0; i < 3; i++) await say();
  stock.in(room).emit("custom", { event: "custom" });
  for (const { inbox } of clients) await inbox.next(({ event }) => event === "custom");
  await allIsWell(t);
});

void t.test("an entry of a history that is no event costs nobody an event", async (t) => {
  const { cluster, redis, session, say, allIsWell } = await open(t);
  const key = historyKey(roomName(session, "student"));
  const before = parseOffset(await say());
  const entries: Record<string, string>[] = [{ event: "{" }, { event: "null" }, { other: "1" }];
  entries.push(
    { event: JSON.stringify({ ...EVENT, extra: 1 }) },
    { event: '{"event":"feedback"}' },
  );
  for (const entry of entries) {
    await redis.xAdd(key, "*", entry);
    await say();
  }
  const after = parseOffset(await say());
  t.equal((after?.n ?? 0) - (before?.n ?? 0), 2 * entries.length + 1, "each keeps its place");
  const from = `${String(before?.epoch)}-${String(before?.n)}`;
  const url = `${cluster.replica(1).url}/sessions/${session}/events?role=student&after=${from}`;
  const page = (await (await fetch(url)).json()) as { complete: boolean; events: unknown[] };
  t.equal(page.complete, true);
  t.equal(page.events.length, entries.length + 1);
  await allIsWell(t);
});

void t.test("whatever keys hold, other classes go on", async (t) => {
  const { cluster, redis, clients, say } = await open(t);
  // Commands, without their key.
  const kinds: readonly (readonly [string, ...string[]])[] = [
    ["SET", "junk"],
    ["SET", "1e300"],
    ["SET", "ffff 9999999999999999999 1:1 x:y"],
    ["RPUSH", "junk"],
    ["SADD", "junk", "a/b", "/", "gone.1/x"],
    ["HSET", "session_x_student", "many"],
    ["ZADD", "inf", "junk"],
    ["XADD", "9999999999999999999-1", "event", "{}"],
  ];
  // In one step: a replica may write what belongs there at any time.
  const spoil = ([command, ...values]: (typeof kinds)[number], key: string) =>
    redis
      .multi()
      .del(key)
      .addCommand([command, key, ...values])
      .exec();
  const guests: Client[] = [];
  t.teardown(() => Promise.all(guests.map((guest) => guest.close())));
  for (const [i, kind] of kinds.entries()) {
    const session = randomUUID() as SessionId;
    const room = roomName(session, "student");
    for (const key of [
      ...[historyKey, epochsKey, announcedKey, newKeysKey, olderKeysKey, idempotencyKeysKey].map(
        (name) => name(room),
      ),
      teachersKey(session),
      `inthon:presence:{${teachersKey(session)}}`,
    ]) {
      await spoil(kind, key);
    }
    // Somebody comes into such a class, and hears nothing, or is sent away.
    const { url } = cluster.replica(i % 2);
    for (const role of ["student", "teacher"] as const) {
      void join({ url, session, role, kind: "plain" }).then(
        (guest) => guests.push(guest),
        () => undefined,
      );
    }
    await fetch(`${url}/sessions/${session}`);
    await fetch(`${url}/sessions/${session}/events?role=student`);
    // Replicas have made it anew, whatever it was.
    await eventually(async () => (await redis.type("inthon:nodes")) === "zset");
    const [node = ""] = await redis.zRange("inthon:nodes", 0, 0);
    await spoil(kind, `inthon:node:{${node}}:connections`);
    await redis.zAdd("inthon:nodes", { score: 0, value: `dead.${String(i)}` });
    await spoil(kind, `inthon:node:{dead.${String(i)}}:teachers`);
    await spoil(kind, "inthon:nodes");
    await say();
    await nextTurn();
  }
  // Presence is still looked after.
  const session = randomUUID();
  const url = cluster.replica(0).url;
  const student = await join({ url, session, role: "student", kind: "plain" });
  const teacher = await join({
    url: cluster.replica(1).url,
    session,
    role: "teacher",
    kind: "plain",
  });
  guests.push(student, teacher);
  await student.inbox.next(({ object }) => object["is_online"] === true);
  cluster.replica(1).kill("SIGKILL");
  await student.inbox.next(({ object }) => object["is_online"] === false);
  await cluster.replica(1).restart();
  await eventually(async () => (await fetch(`${cluster.replica(1).url}/readyz`)).ok);
  t.equal(cluster.replica(0).output().includes('"level":60'), false);
  for (const client of clients.filter((_, i) => i % 2 === 1)) await client.closed;
  const stayed = clients.filter((_, i) => i % 2 === 0);
  const isOpen = await Promise.all(
    stayed.map(({ closed }) => Promise.race([closed.then(() => false), nextTurn(true)])),
  );
  t.ok(isOpen.every(Boolean), "nobody else was sent away");
});
