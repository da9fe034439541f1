import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect, type EmitOptions } from "@inthon/emitter";
import { historyKey, parseOffset, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { join } from "../helpers/clients/clients.js";
import { commandCounts } from "../helpers/command-stats.js";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { failureOf } from "./helpers/emitter-targets.js";

/** Until a hung link is left for another one, and everything is repeated on it. */
const PATIENCE = { timeoutMs: 30_000 };
const NO_PATIENCE = { timeoutMs: 200 };
const LINK_TIMEOUT_MS = 1_500;
/** More than one call of a script takes. */
const LONG_ARRAY = 150;
/** More events than the log of keys is searched for (`MAX_LATE_BYTES`). */
const MANY = 700;

type World = Awaited<ReturnType<typeof open>>;

/** A publisher whose link can hang, another one whose cannot, and a client who hears both. */
async function open(t: Test, { isKnown }: { isKnown: boolean }) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = createClient({ url: redis.url });
  await admin.connect();
  t.teardown(() => {
    admin.destroy();
  });
  const server = await startServer({ env: { REDIS_URL: redis.url } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const id = parseSessionId(session);
  if (!id) throw new Error("a session id");
  const history = historyKey(roomName(id, "student"));
  const student = await join({
    ...{ url: server.url, session, role: "student", kind: "plain", wantsOffsets: true },
  });
  t.teardown(() => student.close());
  const others = await connect(redis.url);
  t.teardown(() => others.close());

  const proxy = await startTcpProxy(redis.port);
  t.teardown(() => proxy.stop());
  const clients = async () => {
    const list = await admin.sendCommand<string>(["CLIENT", "LIST"]);
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
  };
  const before = await clients();
  const emitter = await connect(proxy.url, { linkTimeoutMs: LINK_TIMEOUT_MS });
  t.teardown(() => emitter.close());
  const links = (await clients()).filter((id) => !before.includes(id));

  const important = (note: string) => ({ note, capture_url: null });
  const say = (note: string, options: EmitOptions = {}) =>
    emitter.emit(session, "important", important(note), { ...PATIENCE, ...options });
  const sayAll = (notes: readonly string[], publisher = emitter) =>
    publisher.emitAll(
      session,
      notes.map((note) => ({ event: "important" as const, ...important(note) })),
      PATIENCE,
    );
  // From the third one on, the emitter guesses.
  for (let i = 0; isKnown && i < 3; i++) await say(`known ${String(i)}`);
  return {
    ...{ admin, history, session, student, say, sayAll },
    sayOther: (note: string) => others.emit(session, "important", important(note), PATIENCE),
    sayManyOthers: () =>
      sayAll(
        Array.from({ length: MANY }, (_, i) => `one of many ${String(i)}`),
        others,
      ),
    hang: () => {
      t.equal(proxy.hang({ directions: ["requests"] }), 1, "its link hangs");
    },
    /** Resolves when Redis has carried out what was under way on the link that hung, which it ends then. */
    arrive: async () => {
      const scripts = async () => {
        const counts = await commandCounts(admin);
        return (counts.get("eval") ?? 0) + (counts.get("evalsha") ?? 0);
      };
      const beforeIt = await scripts();
      proxy.heal();
      await eventually(async () => {
        const present = await clients();
        return !links.some((id) => present.includes(id));
      });
      t.ok((await scripts()) > beforeIt, "a script was carried out late");
    },
  };
}

interface Case {
  /** Whether the publisher has published for the room before, and so guesses. */
  readonly isKnown: boolean;
  /** Calls while the link hangs; resolves when they have been repeated on another one. */
  readonly call: (world: World) => Promise<unknown>;
  /** What happens after that, before the calls arrive once more. */
  readonly meanwhile?: (world: World) => Promise<unknown>;
  /** The room's events that its history has lost meanwhile, by somebody's hand. */
  readonly isEmptied?: boolean;
}

/** Until it has run out of time: it is on its way all the same. Its caller then repeats it. */
async function timeOutAndRepeat({ say }: World, note: string): Promise<void> {
  const { code, idempotencyKey = "" } = await failureOf(say(note, NO_PATIENCE));
  t.equal(code, "unavailable");
  await say(note, { idempotencyKey });
}

const upTo = (length: number, name: string) =>
  Array.from({ length }, (_, i) => `${name} ${String(i)}`);

const CASES: Readonly<Record<string, Case>> = {
  "under a key of its own": { isKnown: true, call: ({ say }) => say("late") },
  "under a key of its own, others in between": {
    isKnown: true,
    call: async ({ say, sayOther }) => {
      const late = say("late");
      for (const note of upTo(5, "before it")) await sayOther(note);
      await late;
    },
    meanwhile: async ({ sayOther }) => {
      for (const note of upTo(5, "behind it")) await sayOther(note);
    },
  },
  "so late that many have come in between": {
    isKnown: true,
    call: ({ say }) => say("late"),
    meanwhile: ({ sayManyOthers }) => sayManyOthers(),
  },
  "to a history that has been emptied": {
    isKnown: true,
    call: ({ say }) => say("late"),
    meanwhile: ({ admin, history }) => admin.xTrim(history, "MAXLEN", 0),
    isEmptied: true,
  },
  "under a given key": {
    isKnown: true,
    call: ({ say }) => say("late", { idempotencyKey: randomUUID() }),
  },
  "that its caller repeats": { isKnown: true, call: (world) => timeOutAndRepeat(world, "late") },
  "of an array": { isKnown: true, call: ({ sayAll }) => sayAll(upTo(LONG_ARRAY, "late")) },
  "with others under way": {
    isKnown: true,
    call: async (world) => {
      const calls: Promise<unknown>[] = [];
      for (const note of upTo(6, "late")) {
        const isRepeated = note === "late 2";
        calls.push(isRepeated ? timeOutAndRepeat(world, note) : world.say(note));
        // A call of the script for each.
        await turn();
        await turn();
      }
      // Nobody repeats it: it may be published once, when it arrives.
      const lost = world.say("late, and given up", NO_PATIENCE);
      for (const note of upTo(3, "others before")) await world.sayOther(note);
      t.match(await failureOf(lost), { code: "unavailable", retryable: true });
      await Promise.all(calls);
    },
    meanwhile: async ({ sayOther, say }) => {
      await sayOther("others behind");
      await say("its own behind");
    },
  },
  "that began the room": { isKnown: false, call: ({ say }) => say("late") },
  "that began the room, as an array": {
    isKnown: false,
    call: ({ sayAll }) => sayAll(upTo(LONG_ARRAY, "late")),
    meanwhile: ({ sayOther }) => sayOther("behind it"),
  },
  "that was its publisher's first, in a room that others began": {
    isKnown: false,
    call: async ({ say, sayOther }) => {
      await sayOther("before it");
      await say("late");
    },
    meanwhile: ({ sayOther }) => sayOther("behind it"),
  },
};

// Each has processes of its own, and mostly waits for a link to be given up.
t.jobs = 2;

for (const [name, { isKnown, call, meanwhile, isEmptied = false }] of Object.entries(CASES)) {
  void t.test(`a call ${name}, repeated before it arrives, is published once`, async (t) => {
    const world = await open(t, { isKnown });
    const { admin, history, student, say, sayOther } = world;
    world.hang();
    await call(world);
    await meanwhile?.(world);
    await world.arrive();
    await sayOther("somebody else afterwards");
    await say("afterwards");

    await student.inbox.next(({ object }) => object["note"] === "afterwards");
    const heard = student.inbox.items
      .filter(({ event }) => event === "important")
      .map(({ object, offset }) => ({ note: object["note"], offset }));
    t.strictSame(
      heard.map(({ offset }) => parseOffset(offset)?.n),
      heard.map((_, i) => i + 1),
      "numbers without a hole",
    );
    const notes = heard.map(({ note }) => note);
    t.strictSame([...new Set(notes)], notes, "each is heard once");
    const kept = ((await admin.xRange(history, "-", "+")) ?? []).map(({ id, message }) => {
      const { note } = JSON.parse(message["event"] ?? "") as { note: string };
      return { note, offset: id };
    });
    t.strictSame(kept, isEmptied ? heard.slice(-2) : heard, "the history has what is heard");
    t.ok(notes.some((note) => String(note).startsWith("late")));
  });
}
