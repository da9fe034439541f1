import { historyKey, teachersKey, type RoomName, type SessionId } from "@inthon/emitter/protocol";
import t from "tap";
import type { SentEvent } from "../../server/dist/classroom/batch.js";
import type { RoomEvent } from "../../server/dist/cluster/ports.js";
import type { Emission } from "./actors/publisher.js";
import { Judges, type Cast } from "./judges/judges.js";
import { Stay } from "./judges/stay.js";
import { Database } from "./redis/database.js";
import type { Happening, Plan } from "./search/happening.js";
import { planOf } from "./search/plan.js";
import { shrink } from "./search/shrink.js";
import { SimulatedProcess } from "./world/simulated-process.js";
import { World } from "./world/world.js";

const ROOM = "session_a_student" as RoomName;
const KEY = historyKey(ROOM);
const NEVER = -Infinity;

type Change = { -readonly [P in keyof Cast]?: Cast[P] };

/** A history that somebody made up, and who is told of it. */
class MadeUp {
  readonly world = new World(1);
  readonly judges = new Judges(this.world);
  readonly database = new Database(() => 0);
  readonly student = this.#client("student-1", "student");
  readonly teacher = this.#client("teacher-1", "teacher");

  constructor(change: Change = {}) {
    this.judges.look({
      connections: [],
      replicas: [],
      clients: [this.student],
      deployment: {
        databaseOf: () => this.database,
        lostAt: NEVER,
        wholeLostAt: NEVER,
        evictedAt: NEVER,
      },
      ...change,
    });
  }

  #client(name: string, role: "student" | "teacher") {
    const room = `session_a_${role}`;
    return {
      name,
      isConnected: true,
      options: { session: "a", role, protocol: "plain" as const, isLoyal: false, maxUnread: 8 },
      stay: new Stay(this.world, this.judges.published, name, room),
      leaveForGood: () => undefined,
    };
  }

  get rules(): readonly string[] {
    return this.world.violations.map(({ rule }) => rule);
  }

  append(n: number, event: RoomEvent["event"], epoch = 7): void {
    const before = n > 1 ? `${String(epoch)}-${String(n - 1)}` : undefined;
    const fields = ["event", JSON.stringify(event)];
    this.database.make(KEY, "stream").stream.add({ ms: epoch, seq: n }, fields);
    this.judges.onAppend(KEY, `${String(epoch)}-${String(n)}`, fields, before);
  }

  announce(n: number, event: RoomEvent["event"], isAnnouncement = false): void {
    const offset = `7-${String(n)}` as RoomEvent["offset"];
    const losses = { lostAt: NEVER, evictedAt: NEVER };
    this.judges.published.notePublished("redis", ROOM, { offset, event, isAnnouncement }, losses);
  }

  publish(n: number, event: RoomEvent["event"], isAnnouncement = false): void {
    this.append(n, event);
    this.announce(n, event, isAnnouncement);
  }

  connected(n: number, isOnline = false): void {
    this.student.stay.begin(sent(n, { ...CONNECTED, teacher_online: isOnline }));
  }

  hears(n: number, event: SentEvent["event"]): void {
    this.student.stay.hear(sent(n, event));
  }
}

const CONNECTED = {
  event: "connected",
  session_id: "a" as SessionId,
  role: "student",
  teacher_online: false,
} as const;
const changed_at = "2026-01-05T09:00:00.000Z";

function sent(n: number, event: SentEvent["event"]): SentEvent {
  return { event, offset: `7-${String(n)}` as SentEvent["offset"] };
}

function question(id: number): RoomEvent["event"] {
  return {
    event: "question_capture",
    question_id: id,
    capture_url: null,
    created_at: "2026-01-05T09:00:00.000Z",
  };
}

function presence(is_online: boolean): RoomEvent["event"] {
  return { event: "teacher_presence", is_online, changed_at };
}

function emission(id: number, offset: string | undefined): Emission {
  return {
    id,
    session: "a",
    name: "question_capture",
    key: undefined,
    isLong: false,
    outcome: "resolved",
    offsets: offset === undefined ? {} : { student: offset },
    duplicate: false,
    error: undefined,
  };
}

const HONEST = (made: MadeUp): void => {
  made.publish(1, question(1));
  made.connected(1);
  made.publish(2, question(2));
  made.publish(3, presence(true), true);
  made.publish(4, presence(false), true);
  for (const [n, event] of [question(2), presence(true), presence(false)].entries())
    made.hears(n + 2, event);
  made.judges.onSettled(emission(2, "7-2"));
  made.judges.onEmit(emission(2, "7-2"));
  made.judges.onConnected(made.student, { offset: "7-4", isHonest: true }, "7-4");
  made.judges.atEnd();
  made.judges.afterAll();
};

/** What breaks each promise, and nothing else. */
const BROKEN: readonly (readonly [rule: string, how: string, act: (made: MadeUp) => void])[] = [
  [
    "nothing is published that is not in history",
    "published alone",
    (made) => {
      made.announce(1, question(1));
    },
  ],
  [
    "nothing is published that is not in history",
    "published as something else",
    (made) => {
      made.append(1, question(1));
      made.announce(1, question(2));
    },
  ],
  [
    "a number that was ever given is never given to another event",
    "given again after a loss",
    (made) => {
      made.publish(1, question(1));
      made.publish(1, question(2));
    },
  ],
  [
    "a retry never doubles an event",
    "the same one at two places",
    (made) => {
      made.publish(1, question(1));
      made.publish(2, question(1));
    },
  ],
  [
    "one announcement per change",
    "announced twice",
    (made) => {
      made.publish(1, presence(true), true);
      made.publish(2, presence(true), true);
    },
  ],
  [
    "one announcement per change",
    "told again",
    (made) => {
      made.connected(0);
      made.publish(1, presence(true), true);
      made.publish(2, presence(false), true);
      made.publish(3, presence(true), true);
      made.hears(1, presence(true));
      made.student.stay.position = "7-2";
      made.hears(3, presence(true));
    },
  ],
  [
    "`connected` comes first",
    "an event does",
    (made) => {
      made.student.stay.begin(sent(1, question(1)));
    },
  ],
  [
    "`connected` comes once",
    "twice",
    (made) => {
      made.connected(0);
      made.hears(0, CONNECTED);
    },
  ],
  [
    "what is told was published",
    "made up",
    (made) => {
      made.connected(0);
      made.hears(1, question(1));
    },
  ],
  [
    "what is told is what was published",
    "another one",
    (made) => {
      made.connected(0);
      made.publish(1, question(1));
      made.hears(1, question(2));
    },
  ],
  ["no gap, no duplicate, in order", "a gap", hearsOf([1, 3])],
  ["no gap, no duplicate, in order", "a duplicate", hearsOf([1, 2, 2])],
  ["no gap, no duplicate, in order", "out of order", hearsOf([1, 2, 1])],
  [
    "publishing tells the truth",
    "resolved without an offset",
    (made) => {
      made.judges.onSettled(emission(1, undefined));
    },
  ],
  [
    "publishing tells the truth",
    "resolved with another one's offset",
    (made) => {
      made.publish(1, question(2));
      made.judges.onSettled(emission(1, "7-1"));
    },
  ],
  [
    "a made-up place is none",
    "resumed from",
    (made) => {
      made.judges.onConnected(made.student, { offset: "7-5", isHonest: false }, "7-5");
    },
  ],
  [
    "a history cannot lie",
    "resumed from what is lost",
    (made) => {
      made.append(1, question(1), 8);
      made.judges.onConnected(made.student, { offset: "7-1", isHonest: true }, "7-1");
    },
  ],
  [
    "who comes back within the window resumes",
    "begins anew",
    (made) => {
      made.publish(1, question(1));
      made.publish(2, question(2));
      made.judges.onConnected(made.student, { offset: "7-1", isHonest: true }, "7-2");
    },
  ],
  [
    "progress",
    "is not connected",
    (made) => {
      made.student.isConnected = false;
      made.judges.atEnd();
    },
  ],
  [
    "progress",
    "has not had the newest event",
    (made) => {
      made.connected(0);
      made.publish(1, question(1));
      made.judges.atEnd();
    },
  ],
  [
    "progress",
    "an event is not taken when all is over",
    (made) => {
      made.connected(0);
      made.judges.onProbe({ ...emission(1, undefined), outcome: "rejected" });
      made.judges.atEnd();
    },
  ],
  [
    "presence is true",
    "a student believes in nobody",
    (made) => {
      made.connected(0, true);
      made.judges.atEnd();
    },
  ],
  [
    "what is resolved is in history",
    "it is not",
    (made) => {
      made.connected(0);
      made.announce(1, question(1));
      made.judges.onEmit(emission(1, "7-1"));
      made.judges.atEnd();
    },
  ],
  [
    "whoever has ended holds nothing",
    "a teacher in the set",
    (made) => {
      made.database.make(teachersKey("a" as SessionId), "set").members.add("node/socket");
      made.judges.afterAll();
    },
  ],
  [
    "no script fails by itself",
    "one does",
    (made) => {
      made.judges.onScriptFault("attempt to index a nil value");
    },
  ],
];

function hearsOf(numbers: readonly number[]) {
  return (made: MadeUp): void => {
    made.connected(0);
    for (const n of [1, 2, 3]) made.publish(n, question(n));
    for (const n of numbers) made.hears(n, question(n));
  };
}

void t.test("an honest history breaks no rule", (t) => {
  const made = new MadeUp();
  HONEST(made);
  t.same(made.world.violations, []);
  t.end();
});

void t.test("each judge goes red on a history that breaks its promise", (t) => {
  for (const [rule, how, act] of BROKEN) {
    const made = new MadeUp();
    act(made);
    t.ok(made.rules.includes(rule), `${rule}: ${how} (${made.rules.join(", ")})`);
  }
  t.end();
});

void t.test("whatever is left behind is found", (t) => {
  const left: readonly (readonly [string, Change])[] = [
    ["rooms", { replicas: [{ name: "r", classroom: { size: { rooms: 1 } }, process: undefined }] }],
    ["timers", { replicas: [{ name: "r", classroom: undefined, process: { activeTimers: 99 } }] }],
    [
      "listens",
      {
        connections: [
          {
            isHeld: true,
            channels: new Set(["socket.io#/#session_a_student#"]),
            shardChannels: new Set<string>(),
            process: { name: "r" },
          },
        ],
      },
    ],
  ];
  for (const [what, change] of left) {
    const { judges, world } = new MadeUp(change);
    judges.afterAll();
    t.match(world.violations, [
      { rule: "whoever has ended holds nothing", what: new RegExp(what) },
    ]);
  }
  t.end();
});

void t.test("an error that nobody catches ends a world", async (t) => {
  const world = new World(1);
  const process = new SimulatedProcess(world, "replica-1");
  process.arrive(() => {
    throw new Error("nobody's");
  });
  await world.run(1_000);
  t.match(world.violations, [{ rule: "no uncaught error", what: /nobody's/ }]);
});

void t.test("a plan is made as small as what breaks the rule", async (t) => {
  const plan = { ...planOf(11), replicas: 3, publishers: 2 };
  const cut: Happening = {
    at: 1_234,
    kind: "fault",
    fault: { kind: "cut", link: 1, part: 0, isTold: true },
  };
  const whole: Plan = {
    ...plan,
    clients: [
      ...plan.clients,
      { session: "b", role: "student", protocol: "plain", isLoyal: false, maxUnread: 8 },
    ],
    happenings: [
      ...plan.happenings,
      cut,
      { at: 2_000, kind: "drop", client: plan.clients.length, isTold: true },
    ],
  };
  let runs = 0;
  const isBroken = ({ happenings, clients }: Plan): boolean => {
    runs++;
    const dropped = happenings.find((one) => one.kind === "drop" && one.at === 2_000);
    const who = dropped?.kind === "drop" ? clients[dropped.client] : undefined;
    return who?.session === "b" && happenings.includes(cut);
  };
  t.ok(isBroken(whole) && whole.happenings.length > 10, "there is something to leave out");
  const small = await shrink(whole, (one) => Promise.resolve(isBroken(one)), Date.now() + 60_000);
  t.same(
    small.happenings,
    [cut, { at: 2_000, kind: "drop", client: 0, isTold: true }],
    "what breaks it, of a client who has another number now",
  );
  t.match(small, { replicas: 1, publishers: 1, clients: [{ session: "b" }] });
  t.ok(runs < 300, `by ${String(runs)} runs`);
});
