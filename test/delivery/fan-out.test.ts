import { randomInt } from "node:crypto";
import { stat } from "node:fs";
import fc from "fast-check";
import t from "tap";
import { formatOffset, parseSessionId, ROLES, roomName } from "@inthon/emitter/protocol";
import type { Encoding, Lane } from "../../server/dist/classroom/batch.js";
import { FanOut, type ToldEvent } from "../../server/dist/classroom/fan-out.js";
import { Counts } from "../../server/dist/telemetry/counts.js";

/** To run the schedules of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const RUNS = 300;
/** Nothing holds more in one write: an event may be 64 KiB long. */
const MAX_EVENTS_IN_A_WRITE = 32;
const MEMBERS = 5;

const sessionId = parseSessionId("lecture");
if (!sessionId) throw new Error("a session id");
const ROOMS = ROLES.map((role) => roomName(sessionId, role));
const ROOM = roomName(sessionId, "student");

function event(n: number): ToldEvent {
  const offset = formatOffset({ epoch: 1_000, n });
  return { event: { event: "question_like_update", question_id: 1, like_count: n }, offset };
}

/** What the events are known by. */
const numbers: Encoding<readonly number[]> = (events) =>
  events.map(({ event }) => ("like_count" in event ? event.like_count : NaN));

/** A connection that writes down what it is told: one array for each write. */
class RecordingLane implements Pick<Lane, "write"> {
  readonly writes: (readonly number[])[] = [];

  write(batch: Parameters<Lane["write"]>[0]): void {
    this.writes.push(batch.as(numbers));
  }

  get told(): readonly number[] {
    return this.writes.flat();
  }
}

function rethrow(_room: unknown, error: unknown): never {
  throw error;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Step =
  | { readonly kind: "send"; readonly room: number; readonly count: number }
  | { readonly kind: "join" | "leave" | "vanish"; readonly room: number; readonly member: number }
  | { readonly kind: "flush"; readonly room: number }
  | { readonly kind: "flush all" | "turn" };

const room = fc.nat(ROOMS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      room,
      count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 80 })),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("join" as const, "join" as const, "leave" as const, "vanish" as const),
      room,
      member: fc.nat(MEMBERS - 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const), room }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("flush all", "turn") }) },
);

/** One time that a connection is a member. */
interface Stay {
  readonly lane: RecordingLane;
  /** Whether it heard the end of what was sent: who vanishes may miss what was on its way. */
  isWhole: boolean;
  readonly sent: number[];
}

void t.test("a member gets what is sent while it is one, in order, once", async (t) => {
  t.comment(`FC_SEED=${String(SEED)}`);

  const run = async (steps: readonly Step[]) => {
    const fanOut = new FanOut(new Counts(), rethrow);
    const stays: Stay[] = [];
    const present = ROOMS.map(() => new Map<number, Stay>());
    let made = 0;
    for (const step of steps) {
      if (step.kind === "turn") await turn();
      if (step.kind === "flush all") fanOut.flushAll();
      if (!("room" in step)) continue;
      const name = ROOMS[step.room] ?? ROOM;
      const members = present[step.room] ?? new Map<number, Stay>();
      switch (step.kind) {
        case "send":
          for (let i = 0; i < step.count; i++) {
            fanOut.send(name, event(++made));
            for (const { sent } of members.values()) sent.push(made);
          }
          break;
        case "flush":
          fanOut.flush(name);
          break;
        case "join": {
          if (members.has(step.member)) break;
          const stay = { lane: new RecordingLane(), isWhole: true, sent: [] };
          stays.push(stay);
          members.set(step.member, stay);
          fanOut.flush(name);
          fanOut.join(name, String(step.member), stay.lane);
          break;
        }
        case "leave":
        case "vanish": {
          const stay = members.get(step.member);
          if (stay) stay.isWhole = step.kind === "leave";
          members.delete(step.member);
          if (step.kind === "leave") fanOut.flush(name);
          fanOut.leave(name, String(step.member));
          break;
        }
      }
      const ids = [...members.keys()].map(String);
      if (fanOut.members(name).join() !== ids.join()) throw new Error("who is a member");
    }
    await turn();
    for (const { lane, isWhole, sent } of stays) {
      const { told, writes } = lane;
      const expected = isWhole ? sent : sent.slice(0, told.length);
      if (told.join() !== expected.join()) {
        throw new Error(`was sent ${sent.join()}, and told ${told.join()}`);
      }
      if (writes.some(({ length }) => length === 0 || length > MAX_EVENTS_IN_A_WRITE)) {
        throw new Error(`writes of ${writes.map(({ length }) => length).join()}`);
      }
    }
  };
  const schedules = fc.array(step, { minLength: 5, maxLength: 60 });
  await fc.assert(fc.asyncProperty(schedules, run), { numRuns: RUNS, seed: SEED });
});

void t.test("a lone event leaves in its turn of the event loop, and no sooner", async (t) => {
  const fanOut = new FanOut(new Counts(), rethrow);
  const lane = new RecordingLane();
  fanOut.join(ROOM, "a", lane);
  // Only in a callback of I/O is it certain that a turn ends before any timer.
  await new Promise<void>((resolve) => {
    stat(".", () => {
      setTimeout(() => {
        t.strictSame(lane.writes, [[1]], "a timer is too late");
        resolve();
      }, 0);
      fanOut.send(ROOM, event(1));
      t.strictSame(lane.writes, [], "others of this turn may still come");
    });
  });
  const written = turn().then(() => lane.told);
  fanOut.send(ROOM, event(2));
  await written;
  await turn();
  t.strictSame(lane.writes, [[1], [2]], "and again");
});

void t.test("the events of one turn are one write for each member", async (t) => {
  const fanOut = new FanOut(new Counts(), rethrow);
  const lanes = Array.from({ length: 3 }, () => new RecordingLane());
  for (const [i, lane] of lanes.entries()) fanOut.join(ROOM, String(i), lane);
  const burst = Array.from({ length: 20 }, (_, i) => i);
  for (const n of burst) fanOut.send(ROOM, event(n));
  await turn();
  for (const { writes } of lanes) t.strictSame(writes, [burst]);
});

void t.test("no write holds more than 32 events, however many come", async (t) => {
  const fanOut = new FanOut(new Counts(), rethrow);
  const lane = new RecordingLane();
  fanOut.join(ROOM, "a", lane);
  const all = Array.from({ length: 100 }, (_, i) => i);
  for (const n of all) fanOut.send(ROOM, event(n));
  await turn();
  t.strictSame(lane.told, all);
  t.same(
    lane.writes.map(({ length }) => length),
    [32, 32, 32, 4],
  );
});

void t.test("each form is encoded once, however many members speak it", async (t) => {
  const fanOut = new FanOut(new Counts(), rethrow);
  const encoded: string[] = [];
  const got: object[] = [];
  for (let i = 0; i < 50; i++) {
    fanOut.join(ROOM, String(i), {
      write: (batch) => got.push(batch.as(i % 2 === 0 ? even : odd)),
    });
  }
  const formOf = (name: string): Encoding<object> => {
    return (events) => {
      encoded.push(name);
      return { name, numbers: numbers(events) };
    };
  };
  const even = formOf("even");
  const odd = formOf("odd");
  fanOut.send(ROOM, event(1));
  fanOut.send(ROOM, event(2));
  await turn();
  t.strictSame(encoded.sort(), ["even", "odd"]);
  t.equal(got.length, 50);
  t.equal(new Set(got).size, 2, "it is the same object for all");
  t.strictSame(got[0], { name: "even", numbers: [1, 2] });
});
