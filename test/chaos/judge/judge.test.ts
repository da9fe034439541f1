import t from "tap";
import type { Position } from "@inthon/emitter/protocol";
import { Findings, type FindingKind } from "./findings.js";
import { Track } from "./track.js";
import { Truth } from "./truth.js";

/** Two incarnations of Redis: in the second one history had 1 to 3 of the first, and 4 to 8 were lost. */
const A = 1_000;
const B = 2_000;

/** What a client is told: `connected` fresh or recovered at a place, or the event at a place. */
type Told = readonly ["fresh" | "recovered" | "event", epoch: number, n: number, id?: string];

const OLD: readonly [Position, string][] = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => [
  { epoch: A, n },
  `1${n}`,
]);
const KEPT = OLD.slice(0, 3);
const NEW: readonly [Position, string][] = [
  ...KEPT,
  ...[4, 5, 6, 7, 8, 9].map((n): [Position, string] => [{ epoch: B, n }, `2${n}`]),
];

/** What the judge finds for a client that saw the first of these before the loss, and the others after it. */
function judge(
  before: readonly Told[],
  after: readonly Told[],
): Partial<Record<FindingKind, number>> {
  const truth = new Truth(new Findings());
  const room = truth.room("judged", "student");
  const track = new Track("client", room, truth);
  const tell = (told: readonly Told[]) => {
    for (const [how, epoch, n, id] of told) {
      const offset = `${epoch}-${n}`;
      if (how === "event") track.event(offset, id ?? `${epoch === A ? 1 : 2}${n}`);
      else track.connected(offset, how === "recovered", "replica");
    }
  };
  for (const [position, id] of OLD) room.promise(position, id);
  tell(before);
  const at = Date.now();
  room.read(KEPT, { kind: "rollback", at });
  truth.losses.push({ at, back: at });
  tell(after);
  room.read(NEW, { kind: "look" });
  room.sentinel = { epoch: B, n: 9 };
  track.finish(room.order());
  const kinds: FindingKind[] = [
    "lost",
    "dropped",
    "doubled",
    "out of order",
    "falsely recovered",
    "given twice",
    "wrongly not recovered",
    "hung",
    "contradiction",
    "stale",
    "broken",
  ];
  const counts = kinds.map((kind) => [kind, truth.findings.count(kind)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

const events = (epoch: number, first: number, last: number): Told[] =>
  Array.from({ length: last - first + 1 }, (_, i) => ["event", epoch, first + i] as const);

const cases: readonly [
  name: string,
  before: readonly Told[],
  after: readonly Told[],
  found: Partial<Record<FindingKind, number>>,
][] = [
  [
    "a client that had not seen what was lost goes on, and that is right",
    [["fresh", A, 0], ...events(A, 1, 3)],
    events(B, 4, 9),
    {},
  ],
  [
    "a client that had seen it and is told begins anew, and that is right",
    [["fresh", A, 0], ...events(A, 1, 8)],
    [["fresh", B, 5], ...events(B, 6, 9)],
    {},
  ],
  [
    "the place in front of the new numbers may be named by the new epoch",
    [["fresh", A, 0], ...events(A, 1, 8)],
    [["fresh", B, 3], ...events(B, 4, 9)],
    {},
  ],
  [
    "a client that is told recovered over lost numbers is found, and so is what it lacks",
    [["fresh", A, 0], ...events(A, 1, 8)],
    [
      ["recovered", A, 8],
      ["event", B, 9],
    ],
    { "falsely recovered": 1, lost: 5 },
  ],
  [
    "a client that stays connected over lost numbers is found",
    [["fresh", A, 0], ...events(A, 1, 5)],
    events(B, 4, 9),
    { "falsely recovered": 1 },
  ],
  [
    "a hole in the order is found",
    [["fresh", A, 0], ...events(A, 1, 3)],
    [...events(B, 4, 5), ...events(B, 8, 9)],
    { lost: 2 },
  ],
  [
    "a hole among what was lost later is found",
    [["fresh", A, 0], ...events(A, 1, 4), ...events(A, 7, 8)],
    [
      ["fresh", B, 8],
      ["event", B, 9],
    ],
    { lost: 2 },
  ],
  [
    "what comes twice, and what comes late, is found",
    [["fresh", A, 0], ...events(A, 1, 3)],
    [...events(B, 4, 4), ...events(B, 6, 6), ...events(B, 5, 6), ...events(B, 7, 9)],
    { "out of order": 1, doubled: 1 },
  ],
  [
    "who had lost nothing and is told that he did is found",
    [["fresh", A, 0], ...events(A, 1, 3)],
    [["fresh", B, 9]],
    { "wrongly not recovered": 1 },
  ],
  [
    "a number that names two events is found",
    [["fresh", A, 0], ...events(A, 1, 8)],
    [
      ["fresh", B, 8],
      ["event", B, 9, "999"],
    ],
    { "given twice": 1 },
  ],
  [
    "who stays behind is found",
    [["fresh", A, 0], ...events(A, 1, 3)],
    events(B, 4, 8),
    { hung: 1 },
  ],
];

for (const [name, before, after, found] of cases) {
  void t.test(name, (t) => {
    t.same(judge(before, after), found);
    t.end();
  });
}

/** Who saw a turn to a new epoch whose events were lost together, and when, by the clock of the epochs. */
for (const [name, lossesAt, found] of [
  ["both were lost later, and that is right", [3_000], 0],
  ["the first had been lost before, and it is found", [1_500, 3_000], 1],
] as const) {
  void t.test(`a turn to a new epoch: ${name}`, (t) => {
    const truth = new Truth(new Findings());
    const room = truth.room("judged", "student");
    const track = new Track("client", room, truth);
    const place = (ms: number, n: number): Position => ({ epoch: ms * 1_000, n });
    const lose = (at: number) => {
      room.read([], { kind: "rollback", at });
      truth.losses.push({ at, back: at });
    };
    room.promise(place(1_000, 1), "11");
    track.connected(`${String(1_000 * 1_000)}-0`, false, "replica");
    track.event(`${String(1_000 * 1_000)}-1`, "11");
    for (const at of lossesAt.slice(0, -1)) lose(at);
    room.promise(place(2_000, 2), "22");
    track.event(`${String(2_000 * 1_000)}-2`, "22");
    lose(lossesAt.at(-1) ?? 0);
    const last: [Position, string] = [place(4_000, 1), "31"];
    room.read([last], { kind: "look" });
    [room.sentinel] = last;
    track.connected(`${String(4_000 * 1_000)}-0`, false, "replica");
    track.event(`${String(4_000 * 1_000)}-1`, "31");
    track.finish(room.order());
    t.equal(truth.findings.count("falsely recovered"), found);
    t.end();
  });
}

void t.test(
  "what outlived a loss and is dropped from history, a hole in it, and an event twice in it are found",
  (t) => {
    const truth = new Truth(new Findings());
    const room = truth.room("judged", "student");
    room.read(KEPT, { kind: "rollback", at: Date.now() });
    room.read(
      [
        [{ epoch: B, n: 1 }, "21"],
        [{ epoch: B, n: 3 }, "21"],
      ],
      { kind: "look" },
    );
    const { findings } = truth;
    t.equal(findings.count("dropped"), 3);
    t.equal(findings.count("contradiction"), 1);
    t.equal(findings.count("doubled"), 1);
    t.end();
  },
);
