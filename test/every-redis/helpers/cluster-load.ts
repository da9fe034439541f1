import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import { connect, slotOf } from "@inthon/emitter";
import {
  historyKey,
  parseSessionId,
  roomChannel,
  roomName,
  type RoomName,
} from "@inthon/emitter/protocol";
import { eventually } from "../../helpers/eventually.js";
import type { RedisCluster } from "../../helpers/processes/redis-cluster.js";

/** Elections on a machine that is busy: each that is lost has the next one come later. */
const PATIENCE = { timeoutMs: 90_000 };
const MORE_MS = 60_000;
const SESSIONS = 30;
const MAX_UNDER_WAY = 100;
const PAUSE_MS = 4;

export function studentRoom(session: string): RoomName {
  const id = parseSessionId(session);
  if (!id) throw new Error("a session");
  return roomName(id, "student");
}

/** What a room's history holds, asked of whoever has it now: places, and notes. */
export async function historyAt(cluster: RedisCluster, room: RoomName) {
  const key = historyKey(room);
  const { ask } = await cluster.masterOf(slotOf(key));
  const entries = (await ask("XRANGE", key, "-", "+")) as [string, string[]][];
  return entries.map(([id, fields]) => {
    const json = fields.find((field) => field.startsWith("{")) ?? "{}";
    const { note = "" } = JSON.parse(json) as { note?: string };
    return { n: Number(id.split("-")[1]), note };
  });
}

/** Sessions whose students' rooms are in the first slots of the cluster. */
export function sessionsInFirst(slots: number, count: number): readonly string[] {
  const sessions: string[] = [];
  while (sessions.length < count) {
    const session = randomUUID();
    if (slotOf(roomChannel(studentRoom(session))) < slots) sessions.push(session);
  }
  return sessions;
}

/** Which rooms, and how. */
interface Load {
  readonly sessions?: readonly string[];
  /** Between two events of a room, in milliseconds. */
  readonly pauseMs?: number;
  /** Whether each event has a key that its caller gave. */
  readonly isKeyed?: boolean;
}

/** Publishes into rooms, by default all over the cluster, each event once, without waiting for those before. */
export async function publishAllOver(
  t: Test,
  target: Parameters<typeof connect>[0],
  options: Parameters<typeof connect>[1] = {},
  load: Load = {},
) {
  const emitter = await connect(target, options);
  t.teardown(() => emitter.close());
  const {
    sessions = Array.from({ length: SESSIONS }, () => randomUUID()),
    pauseMs = PAUSE_MS,
    isKeyed = false,
  } = load;
  const sent = new Map<string, string[]>(sessions.map((session) => [session, []]));
  let confirmed = 0;
  let isOver = false;
  const publishers = sessions.map(async (session) => {
    const underWay = new Set<Promise<void>>();
    for (let i = 0; !isOver; i++) {
      const note = String(i);
      const emitOptions = isKeyed ? { ...PATIENCE, idempotencyKey: `key-${note}` } : PATIENCE;
      const call = emitter
        .emit(session, "important", { note, capture_url: null }, emitOptions)
        .then(() => {
          underWay.delete(call);
          sent.get(session)?.push(note);
          confirmed++;
        });
      // Looked at below: one that fails between two looks ends no other test.
      call.catch(() => undefined);
      underWay.add(call);
      if (underWay.size >= MAX_UNDER_WAY) await Promise.all(underWay);
      await delay(pauseMs);
    }
    await Promise.all(underWay);
  });
  // Where a test fails before it ends them, it has failed enough.
  for (const publisher of publishers) publisher.catch(() => undefined);
  return {
    emitter,
    sessions,
    confirmed: () => confirmed,
    /** Resolves when so many more have been confirmed. */
    more: async (count: number) => {
      const before = confirmed;
      await eventually(() => Promise.resolve(confirmed >= before + count), MORE_MS);
    },
    /** Ends it, and tells of each room what was confirmed, and what there is. */
    end: async (cluster: RedisCluster) => {
      isOver = true;
      await Promise.all(publishers);
      await cluster.settled();
      return Promise.all(
        sessions.map(async (session) => ({
          confirmed: sent.get(session) ?? [],
          history: await historyAt(cluster, studentRoom(session)),
        })),
      );
    },
  };
}

type Ended = Awaited<ReturnType<Awaited<ReturnType<typeof publishAllOver>>["end"]>>;

/** None is there twice, and the numbers have no holes: whatever happened to the cluster. */
export function noneTwice(t: Test, rooms: Ended): void {
  for (const { history } of rooms) {
    const notes = history.map(({ note }) => note);
    if (new Set(notes).size !== notes.length) t.fail("one is there twice");
    const first = history[0]?.n ?? 0;
    const holes = history.filter(({ n }, i) => n !== first + i);
    if (holes.length > 0) t.fail("the numbers have holes");
  }
  t.pass("none is there twice");
}

/** How many were confirmed that are not there. */
export function lostIn(t: Test, rooms: Ended): number {
  let lost = 0;
  for (const { confirmed, history } of rooms) {
    const kept = new Set(history.map(({ note }) => note));
    lost += confirmed.filter((note) => !kept.has(note)).length;
  }
  const all = rooms.reduce((sum, { confirmed }) => sum + confirmed.length, 0);
  t.comment(`${String(all)} confirmed, ${String(lost)} of them lost`);
  return lost;
}

/** What there is of it, in the order in which it was published: some may be lost. */
export function ascending(t: Test, rooms: Ended): void {
  for (const { history } of rooms) {
    const notes = history.map(({ note }) => Number(note));
    const late = notes.find((note, i) => i > 0 && note < (notes[i - 1] ?? 0));
    if (late !== undefined) t.fail(`${String(late)} comes too late: ${notes.join(" ")}`);
  }
  t.pass("in order");
}

/** All of it, in the order in which it was published. */
export function inOrder(t: Test, rooms: Ended): void {
  for (const { history } of rooms) {
    const notes = history.map(({ note }) => note);
    const expected = notes.map((_, i) => String(i + Number(notes[0])));
    if (notes.join() !== expected.join()) t.strictSame(notes, expected, "in order");
  }
  t.pass("in order");
}
