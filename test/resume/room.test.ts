import t from "tap";
import { formatOffset, parseSessionId, roomName, type Position } from "@inthon/emitter/protocol";
import type {
  Broker,
  EventListener,
  HistoryPage,
  RoomEvent,
} from "../../server/dist/cluster/ports.js";
import { withoutRepetitions } from "../../server/dist/cluster/event-runs.js";
import { Room } from "../../server/dist/cluster/room.js";
import { Counts } from "../../server/dist/telemetry/counts.js";
import { createLogger } from "../../server/dist/telemetry/log.js";
import { Inbox } from "../helpers/clients/inbox.js";

const EPOCH = 1_000;
const LATER_EPOCH = 2_000;
const LOG = createLogger("silent", "test");

interface Reading {
  readonly known: Position | undefined;
  answer(page: HistoryPage): void;
}

/** A broker whose answers a test gives itself, in the order that it wants to see. */
class ScriptedBroker implements Broker {
  readonly publisher = undefined as never;
  readonly keepMs = 60_000;
  readonly readings = new Inbox<Reading>();
  receive: (event: RoomEvent) => void = () => undefined;

  isHeard(): boolean {
    return true;
  }

  onHearingChange(): void {
    // The test tells the room itself.
  }

  subscribe(_room: string, listener: EventListener): Promise<void> {
    this.receive = (event) => {
      listener(event, undefined);
    };
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.resolve();
  }

  keep(): Promise<number> {
    return Promise.resolve(Infinity);
  }

  look(room: string, known: Position): Promise<HistoryPage> {
    return this.read(room, known);
  }

  read(_room: string, known: Position | undefined): Promise<HistoryPage> {
    return new Promise((resolve) => {
      this.readings.add({ known, answer: resolve });
    });
  }
}

function announcement(n: number, is_online: boolean): RoomEvent {
  const event = {
    event: "teacher_presence",
    is_online,
    changed_at: "2026-01-01T00:00:00Z",
  } as const;
  return { ...at(EPOCH, n), event, isAnnouncement: true, bytes: 100 };
}

function at(epoch: number, n: number): RoomEvent {
  const position = { epoch, n };
  return {
    position,
    offset: formatOffset(position),
    event: { event: "session_ended" },
    isAnnouncement: false,
    bytes: 100,
  };
}

/** A room that stands at the given place, and what its members are told. */
async function openRoom(n: number) {
  const broker = new ScriptedBroker();
  const told = new Inbox<string>();
  const listener = {
    onEvent: (_room: Room, { offset }: RoomEvent) => {
      told.add(offset);
    },
    onLoss: () => {
      told.add("loss");
    },
  };
  const sessionId = parseSessionId("lecture");
  if (!sessionId) throw new Error("a session id");
  const name = roomName(sessionId, "student");
  const options = {
    historyLimit: 1_000,
    historyMaxBytes: 1_000_000,
    log: LOG,
    counts: new Counts(),
  };
  const room = new Room(name, broker, listener, options);
  /** Answers the reading with this number, from 0, once it is there. */
  const answer = async (index: number, page: HistoryPage) => {
    await broker.readings.until((readings) => readings.length > index);
    broker.readings.items[index]?.answer(page);
  };
  await answer(0, { head: { epoch: EPOCH, n }, ends: [], events: [] });
  await room.opened;
  return { broker, room, told, answer };
}

void t.test("a hole is filled from history, in its place", async (t) => {
  const { broker, told, answer } = await openRoom(5);
  broker.receive(at(EPOCH, 6));
  broker.receive(at(EPOCH, 9));
  broker.receive(at(EPOCH, 10));
  await answer(1, {
    head: { epoch: EPOCH, n: 10 },
    ends: [],
    events: [7, 8, 9, 10].map((n) => at(EPOCH, n)),
  });
  await told.until(({ length }) => length === 5);
  broker.receive(at(EPOCH, 10));
  broker.receive(at(EPOCH, 11));
  t.strictSame(told.items, ["1000-6", "1000-7", "1000-8", "1000-9", "1000-10", "1000-11"]);
});

void t.test(
  "the first event of a new history is not swallowed by a reading of the old one",
  async (t) => {
    const { broker, room, told, answer } = await openRoom(100);
    room.onDisconnect();
    room.onReconnect();
    await broker.readings.until(({ length }) => length === 2);
    // Redis forgot after it had answered, and a new event overtakes the answer.
    broker.receive(at(LATER_EPOCH, 1));
    await answer(1, { head: { epoch: EPOCH, n: 100 }, ends: [], events: [] });
    await answer(2, { head: { epoch: LATER_EPOCH, n: 1 }, ends: [], events: [] });
    await told.next((what) => what === "loss");
    t.strictSame(room.position, { epoch: LATER_EPOCH, n: 1 });
  },
);

void t.test(
  "a resume does not rely on a reading that began before the client's newest event",
  async (t) => {
    const { broker, room, answer } = await openRoom(100);
    room.onDisconnect();
    room.onReconnect();
    await broker.readings.until(({ length }) => length === 2);
    const canResume = room.reachBackTo({ epoch: EPOCH, n: 101 });
    await answer(1, { head: { epoch: EPOCH, n: 100 }, ends: [], events: [] });
    await answer(2, { head: { epoch: EPOCH, n: 101 }, ends: [], events: [at(EPOCH, 101)] });
    t.equal(await canResume, true);
    t.strictSame(room.eventsSince({ epoch: EPOCH, n: 101 }), []);
  },
);

void t.test(
  "a history that no longer holds what was missed is a loss, and no part of it is told",
  async (t) => {
    const { room, told, answer } = await openRoom(5);
    room.onDisconnect();
    room.onReconnect();
    await answer(1, {
      head: { epoch: EPOCH, n: 20 },
      ends: [],
      events: [19, 20].map((n) => at(EPOCH, n)),
    });
    await told.next();
    t.strictSame(told.items, ["loss"]);
    t.equal(await room.reachBackTo({ epoch: EPOCH - 1, n: 5 }), false);
  },
);

void t.test("a room goes live again whoever asks while it catches up", async (t) => {
  const { broker, room, told, answer } = await openRoom(1);
  broker.receive(at(EPOCH, 3));
  const asking = [2, 3].map((n) => room.reachBackTo({ epoch: EPOCH, n }));
  await answer(1, { head: { epoch: EPOCH, n: 3 }, ends: [], events: [at(EPOCH, 2), at(EPOCH, 3)] });
  t.strictSame(await Promise.all(asking), [true, true]);
  broker.receive(at(EPOCH, 4));
  t.strictSame(told.items, ["1000-2", "1000-3", "1000-4"]);
});

void t.test("a new epoch goes on with the history that is known", async (t) => {
  const { broker, room, told, answer } = await openRoom(5);
  broker.receive(at(EPOCH, 6));
  // What Redis kept of the epoch before can only be read: it may have forgotten the sixth.
  broker.receive(at(LATER_EPOCH, 7));
  t.strictSame(told.items, ["1000-6"]);
  await answer(1, {
    head: { epoch: LATER_EPOCH, n: 7 },
    ends: [{ epoch: EPOCH, n: 6 }],
    events: [at(LATER_EPOCH, 7)],
  });
  await told.until(({ length }) => length === 2);
  broker.receive(at(LATER_EPOCH, 8));
  t.strictSame(told.items.slice(2), [`${String(LATER_EPOCH)}-8`]);
  t.equal(await room.reachBackTo({ epoch: EPOCH, n: 6 }), true);
  t.strictSame(
    room.eventsSince({ epoch: EPOCH, n: 6 })?.map(({ position }) => position.n),
    [7, 8],
  );
  t.equal(await room.reachBackTo({ epoch: EPOCH, n: 7 }), false);
  t.equal(broker.readings.items.length, 2, "what is lost is not looked for");
});

void t.test("a new epoch in which an earlier one ended too soon is a loss", async (t) => {
  const { broker, told, answer } = await openRoom(5);
  broker.receive(at(EPOCH, 6));
  broker.receive(at(LATER_EPOCH, 7));
  await answer(1, {
    head: { epoch: LATER_EPOCH, n: 7 },
    ends: [{ epoch: EPOCH, n: 5 }],
    events: [at(LATER_EPOCH, 7)],
  });
  await told.until(({ length }) => length === 2);
  t.strictSame(told.items, ["1000-6", "loss"]);
});

void t.test("a history that is trimmed while it is read is joined without a hole", async (t) => {
  for (const isTrimmed of [true, false]) {
    const { room, answer } = await openRoom(1_000);
    const head = { epoch: EPOCH, n: 1_000 };
    const page = (from: number, to: number) => ({
      head,
      ends: [],
      events: Array.from({ length: to - from + 1 }, (_, i) => at(EPOCH, from + i)),
    });
    const reaches = [600, 800].map((n) => room.reachBackTo({ epoch: EPOCH, n }));
    await answer(1, page(101, 600));
    await answer(2, isTrimmed ? page(701, 1_000) : page(601, 1_000));
    t.strictSame(await Promise.all(reaches), [!isTrimmed, true]);
    t.strictSame(
      room.eventsSince({ epoch: EPOCH, n: 800 })?.map(({ position }) => position.n),
      Array.from({ length: 200 }, (_, i) => 801 + i),
    );
    t.equal(room.eventsSince({ epoch: EPOCH, n: 600 }) === undefined, isTrimmed);
  }
});

void t.test(
  "what history has lost is looked for once, and not again by each who asks",
  async (t) => {
    const { broker, room, told, answer } = await openRoom(1_000);
    const head = { epoch: EPOCH, n: 1_000 };
    const kept = Array.from({ length: 300 }, (_, i) => at(EPOCH, 701 + i));
    const first = room.reachBackTo({ epoch: EPOCH, n: 600 });
    await answer(1, { head, ends: [], events: kept });
    t.equal(await first, false);
    for (const n of [0, 600, 699]) t.equal(await room.reachBackTo({ epoch: EPOCH, n }), false);
    t.equal(await room.reachBackTo({ epoch: EPOCH, n: 700 }), true);
    t.equal(broker.readings.items.length, 2, "one reading for all of them");

    // Another history may reach back further.
    room.onDisconnect();
    room.onReconnect();
    const later = { head: { epoch: LATER_EPOCH, n: 500 }, ends: [] };
    await answer(2, { ...later, events: [] });
    await told.next((what) => what === "loss");
    const after = room.reachBackTo({ epoch: LATER_EPOCH, n: 400 });
    await answer(3, {
      ...later,
      events: Array.from({ length: 500 }, (_, i) => at(LATER_EPOCH, i + 1)),
    });
    t.equal(await after, true);
  },
);

void t.test(
  "who comes back while a loss is found out is not told of one that was none",
  async (t) => {
    const { room, told, answer } = await openRoom(10);
    const isThere = room.reachBackTo({ epoch: EPOCH, n: 3 });
    room.onDisconnect();
    room.onReconnect();
    const head = { epoch: LATER_EPOCH, n: 8 };
    const ends = [{ epoch: EPOCH, n: 6 }];
    const fresh = [at(LATER_EPOCH, 7), at(LATER_EPOCH, 8)];
    // What this replica had told up to the tenth is lost.
    await answer(2, { head, ends, events: fresh });
    await told.next((what) => what === "loss");
    const isThereToo = room.reachBackTo({ epoch: LATER_EPOCH, n: 7 });
    // The reading that began before it answers with what is of no use any more.
    await answer(1, { head: { epoch: EPOCH, n: 10 }, ends: [], events: [] });
    const all = [...[1, 2, 3, 4, 5, 6].map((n) => at(EPOCH, n)), ...fresh];
    await answer(3, { head, ends, events: all });
    t.strictSame(await Promise.all([isThere, isThereToo]), [true, true]);
    t.strictSame(
      room.eventsSince({ epoch: EPOCH, n: 3 })?.map(({ position }) => position.n),
      [4, 5, 6, 7, 8],
    );
  },
);

void t.test("pages of two histories are not joined to one", async (t) => {
  const page = (epoch: number, from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => at(epoch, from + i));
  // Redis came back with 490 events, was told ten others, and came back once more.
  const LATEST_EPOCH = 3_000;
  const later: HistoryPage = {
    head: { epoch: LATEST_EPOCH, n: 900 },
    ends: [
      { epoch: EPOCH, n: 490 },
      { epoch: LATER_EPOCH, n: 500 },
    ],
    events: page(LATEST_EPOCH, 501, 900),
  };
  for (const knowsOfLoss of [true, false]) {
    const { room, told, answer } = await openRoom(505);
    const client = { epoch: EPOCH, n: 480 };
    const canResume = room.reachBackTo(client);
    await answer(1, { head: { epoch: EPOCH, n: 505 }, ends: [], events: page(EPOCH, 1, 500) });
    // The second page is of what the history has become meanwhile.
    if (knowsOfLoss) {
      room.onDisconnect();
      room.onReconnect();
      await answer(3, later);
      await told.next((what) => what === "loss");
      await answer(2, later);
    } else {
      await answer(2, later);
      // By it the replica learns that there is something to learn.
      await answer(3, later);
      await told.next((what) => what === "loss");
    }
    // The history as it is now is read from its beginning, and holds no more.
    await answer(4, later);
    t.equal(await canResume, false);
    t.equal(room.eventsSince(client), undefined, "nothing of it is handed out");
  }
});

void t.test("what arrives while older events are read keeps nobody from them", async (t) => {
  const { broker, room, answer } = await openRoom(5);
  const client = { epoch: EPOCH, n: 2 };
  const canResume = room.reachBackTo(client);
  await broker.readings.until(({ length }) => length > 1);
  broker.receive(at(EPOCH, 6));
  const events = [1, 2, 3, 4, 5].map((n) => at(EPOCH, n));
  await answer(1, { head: { epoch: EPOCH, n: 5 }, ends: [], events });
  t.equal(await canResume, true);
  t.strictSame(
    room.eventsSince(client)?.map(({ position }) => position.n),
    [3, 4, 5, 6],
  );
});

void t.test("a history that is another one is learned of before it denies anybody", async (t) => {
  const { room, told, answer } = await openRoom(12);
  const client = { epoch: EPOCH, n: 8 };
  const canResume = room.reachBackTo(client);
  // Redis came back without the newest two, and has been told two others.
  const head = { epoch: LATER_EPOCH, n: 12 };
  const ends = [{ epoch: EPOCH, n: 10 }];
  const kept = [7, 8, 9, 10].map((n) => at(EPOCH, n));
  const events = [...kept, at(LATER_EPOCH, 11), at(LATER_EPOCH, 12)];
  await answer(1, { head, ends, events });
  await answer(2, { head, ends, events: [] });
  await told.next((what) => what === "loss");
  await answer(3, { head, ends, events });
  t.equal(await canResume, true, "who comes back from a place that was kept goes on there");
  t.strictSame(
    room.eventsSince(client)?.map(({ position }) => position.n),
    [9, 10, 11, 12],
  );
});

void t.test("what members knew already is told to those who missed what was between", async (t) => {
  const { broker, room, told } = await openRoom(0);
  broker.receive(announcement(1, true));
  broker.receive(announcement(2, false));
  // Members who come now hear of the teacher before the announcement arrives.
  broker.receive(announcement(3, false));
  broker.receive(announcement(4, true));
  await told.until(({ length }) => length === 3);
  t.strictSame(told.items, ["1000-1", "1000-2", "1000-4"]);
  const missed = (n: number) =>
    withoutRepetitions(room.eventsSince({ epoch: EPOCH, n }) ?? [], undefined).events.map(
      ({ position }) => position.n,
    );
  t.strictSame(missed(0), [1, 2, 4]);
  t.strictSame(missed(1), [2, 4]);
  t.strictSame(missed(2), [3, 4], "who comes back after it may not have heard of it");
});

void t.test("a replica remembers as many bytes of a room as its history has", async (t) => {
  const { broker, room } = await openRoom(0);
  // A hundred bytes each, of a million that there may be; and a thousand events.
  for (let n = 1; n <= 5_000; n++) broker.receive(at(EPOCH, n));
  t.equal(room.eventsSince({ epoch: EPOCH, n: 4_000 })?.length, 1_000);
  t.equal(room.eventsSince({ epoch: EPOCH, n: 3_700 }), undefined, "no more events");
  for (let n = 5_001; n <= 6_000; n++) broker.receive({ ...at(EPOCH, n), bytes: 10_000 });
  t.equal(room.eventsSince({ epoch: EPOCH, n: 5_900 })?.length, 100);
  t.equal(room.eventsSince({ epoch: EPOCH, n: 5_870 }), undefined, "no more bytes");
});
