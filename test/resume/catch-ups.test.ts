import { randomInt, randomUUID } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { parseSessionId, roomName, type SessionId } from "@inthon/emitter/protocol";
import type { Batch, Lane } from "../../server/dist/classroom/batch.js";
import { CatchUps, type CatchUp } from "../../server/dist/classroom/resume/catch-ups.js";
import { FanOut } from "../../server/dist/classroom/fan-out.js";
import { MemoryBroker } from "../../server/dist/cluster/memory/broker.js";
import { Room } from "../../server/dist/cluster/room.js";
import { Counts } from "../../server/dist/telemetry/counts.js";
import { DeliveryTally } from "../../server/dist/telemetry/delivery-tally.js";
import { createLogger } from "../../server/dist/telemetry/log.js";

/** To run the schedules of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const RUNS = 200;
const LIMIT = 100;
const NOTE_BYTES = 1_000;
/** Five events, with what JSON needs beside their notes. */
const SLICE_BYTES = 6 * NOTE_BYTES;
const LOG = createLogger("silent", "test");

function rethrow(_room: unknown, error: unknown): never {
  throw error;
}

/** A connection whose client reads when the test says so. */
class SlowLane implements Lane {
  readonly batches: Batch[] = [];
  isRead = true;
  isCut = false;
  #listener: (() => void) | undefined;

  write(batch: Batch): void {
    this.batches.push(batch);
    this.isRead = false;
  }

  gather(): void {
    // Nothing to do.
  }

  onceRead(listener: () => void): void {
    this.#listener = listener;
  }

  cut(): void {
    this.isCut = true;
  }

  drop(error: unknown): void {
    throw error;
  }

  read(): void {
    this.isRead = true;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.();
  }

  get told(): readonly string[] {
    return this.batches.flatMap(({ events }) =>
      events.map(({ event }) => (event.event === "important" ? event.note.trim() : event.event)),
    );
  }
}

interface Member {
  readonly lane: SlowLane;
  /** What is to be told to it, in its order. */
  readonly expected: string[];
  isLive: boolean;
  hasEnded: boolean;
}

/** A room with a history, its members, and those who come back to it, as the classroom has them. */
class Lecture {
  readonly room: Room;
  readonly members = new Map<string, Member>();
  readonly #broker = new MemoryBroker({
    historyLimit: LIMIT,
    historyMaxBytes: 64 * 1024 * 1024,
    historyTtlMs: 60_000,
  });
  readonly #fanOut = new FanOut(new Counts(), rethrow);
  readonly #sessionId: SessionId;
  readonly #catchUps: CatchUps;
  readonly #notes: string[] = [];

  constructor() {
    const sessionId = parseSessionId("lecture");
    if (!sessionId) throw new Error("a session id");
    this.#sessionId = sessionId;
    this.#catchUps = new CatchUps(SLICE_BYTES, new DeliveryTally(), {
      onCaughtUp: ({ id, room, lane }: CatchUp) => {
        this.#fanOut.flush(room.name);
        this.#fanOut.join(room.name, id, lane);
        this.#member(id).isLive = true;
      },
      onSessionEnded: ({ id }: CatchUp) => {
        this.#member(id).hasEnded = true;
      },
    });
    const listener = {
      onEvent: (room: Room, event: Parameters<FanOut["send"]>[1]) => {
        this.#fanOut.send(room.name, event);
      },
      onLoss: () => undefined,
    };
    const options = {
      historyLimit: LIMIT,
      historyMaxBytes: 64 * 1024 * 1024,
      log: LOG,
      counts: new Counts(),
    };
    this.room = new Room(roomName(sessionId, "student"), this.#broker, listener, options);
  }

  async publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const note = String(this.#notes.length);
      this.#notes.push(note);
      for (const { expected } of this.members.values()) expected.push(note);
      await this.#publish({
        event: "important",
        note: note.padEnd(NOTE_BYTES),
        capture_url: null,
        created_at: "2026-01-01T00:00:00Z",
      });
    }
  }

  async end(): Promise<void> {
    for (const { expected } of this.members.values()) expected.push("session_ended");
    await this.#publish({ event: "session_ended" });
  }

  /** Somebody comes back who has missed the newest events. */
  comeBack(missed: number, lane = new SlowLane()): Member {
    const { epoch, n } = this.room.position;
    const count = Math.min(missed, n);
    const expected = this.#notes.slice(this.#notes.length - count);
    const member = { lane, expected, isLive: false, hasEnded: false };
    const id = randomUUID();
    this.members.set(id, member);
    this.#fanOut.flush(this.room.name);
    const place = { epoch, n: n - count };
    this.#catchUps.begin({ id, room: this.room, lane, place, known: undefined, isBehind: true });
    return member;
  }

  leave(id: string): void {
    this.#catchUps.end(id);
    this.#fanOut.leave(this.room.name, id);
    this.members.delete(id);
  }

  async close(): Promise<void> {
    this.room.close();
    await this.#broker.close();
  }

  #member(id: string): Member {
    const member = this.members.get(id);
    if (!member) throw new Error("nobody is told of who has left");
    return member;
  }

  async #publish(event: Parameters<MemoryBroker["publish"]>[0][number]["event"]): Promise<void> {
    await this.#broker.publish([
      { sessionId: this.#sessionId, event, idempotencyKey: randomUUID() },
    ]);
  }
}

async function lecture(): Promise<Lecture> {
  const it = new Lecture();
  await it.room.opened;
  return it;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets them read until nobody is told anything any more. */
async function readAll(members: readonly Member[]): Promise<void> {
  while (members.some(({ lane, isLive, hasEnded }) => !lane.isRead || !(isLive || hasEnded))) {
    if (members.some(({ lane }) => lane.isCut)) return;
    for (const { lane } of members) lane.read();
    await turn();
  }
}

type Step =
  | { readonly kind: "publish" | "come back"; readonly count: number }
  | { readonly kind: "read" | "leave"; readonly who: number }
  | { readonly kind: "turn" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("come back" as const), count: fc.nat(30) }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("read" as const), who: fc.nat(9) }) },
  fc.record({ kind: fc.constant("leave" as const), who: fc.nat(9) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
);

void t.test("whoever comes back is told what it missed, then what comes, each once", async (t) => {
  t.comment(`FC_SEED=${String(SEED)}`);
  const run = async (steps: readonly Step[]) => {
    const it = await lecture();
    await it.publish(20);
    for (const step of steps) {
      const [id, member] = [...it.members][("who" in step && step.who) || 0] ?? [];
      if (step.kind === "publish") await it.publish(step.count);
      if (step.kind === "come back") it.comeBack(step.count);
      if (step.kind === "read") member?.lane.read();
      if (step.kind === "leave" && id !== undefined) it.leave(id);
      if (step.kind === "turn") await turn();
    }
    const members = [...it.members.values()];
    await readAll(members);
    await it.publish(2);
    await turn();
    for (const { lane, expected } of members) {
      if (lane.told.join() !== expected.join()) {
        throw new Error(`expected ${expected.join()}, and was told ${lane.told.join()}`);
      }
    }
    await it.close();
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), run), {
    numRuns: RUNS,
    seed: SEED,
  });
});

void t.test("a slice goes out when the one before has been read, and not sooner", async (t) => {
  const it = await lecture();
  t.teardown(() => it.close());
  await it.publish(50);
  const { lane } = it.comeBack(50);
  for (let slices = 1; slices <= 3; slices++) {
    await turn();
    await turn();
    t.equal(lane.batches.length, slices);
    lane.read();
  }
  t.ok(lane.batches.every(({ events }) => events.length <= 5));
});

void t.test("a slice is made once for all who need it, wherever they began", async (t) => {
  const it = await lecture();
  t.teardown(() => it.close());
  await it.publish(96);
  const members = [90, 90, 81, 70].map((missed) => it.comeBack(missed));
  await readAll(members);
  const [first, second, ...others] = members.map(({ lane }) => lane.batches);
  t.strictSame(first?.length, second?.length);
  t.ok(
    first?.every((batch, i) => batch === second?.[i]),
    "who comes from the same place",
  );
  for (const batches of others) {
    const shared = batches.filter((batch) => first?.includes(batch) === true);
    t.ok(shared.length > batches.length / 2, "who comes from another");
  }
});

void t.test("whoever is told the end of its session is told nothing behind it", async (t) => {
  const it = await lecture();
  t.teardown(() => it.close());
  await it.publish(20);
  const member = it.comeBack(20);
  await it.end();
  await it.publish(3);
  await readAll([member]);
  t.ok(member.hasEnded);
  t.notOk(member.isLive);
  t.strictSame(member.lane.told, member.expected.slice(0, 21));
});

void t.test("whoever is so slow that the room forgets what it needs is cut", async (t) => {
  const it = await lecture();
  t.teardown(() => it.close());
  await it.publish(20);
  const { lane } = it.comeBack(20);
  await turn();
  t.notOk(lane.isCut);
  // Twice what a history holds is the most that a room remembers.
  await it.publish(2 * LIMIT + 1);
  const told = lane.told.length;
  lane.read();
  await turn();
  t.ok(lane.isCut);
  t.equal(lane.told.length, told, "and gets no part of what is left");
});

/** A connection to which writing takes a millisecond. */
class CostlyLane extends SlowLane {
  override write(batch: Batch): void {
    const end = performance.now() + 1;
    while (performance.now() < end);
    super.write(batch);
  }
}

void t.test("many who come at once leave something of each turn to all others", async (t) => {
  const it = await lecture();
  t.teardown(() => it.close());
  await it.publish(20);
  const members = Array.from({ length: 200 }, () => it.comeBack(5, new CostlyLane()));
  let before = 0;
  let most = 0;
  while (members.some(({ isLive }) => !isLive)) {
    for (const { lane } of members) lane.read();
    await turn();
    const written = members.reduce((sum, { lane }) => sum + lane.batches.length, 0);
    most = Math.max(most, written - before);
    before = written;
  }
  t.ok(most <= 10, `${String(most)} slices in one turn`);
});
