import { readdir, readFile } from "node:fs/promises";
import t from "tap";

/** The page's modules are plain JavaScript, as browsers load them. */
const load = async <T>(path: string): Promise<T> =>
  (await import(new URL(`../../server/public/${path}`, import.meta.url).href)) as T;

interface Told {
  readonly name: string;
  readonly event: Readonly<Record<string, unknown>>;
  readonly offset?: string | undefined;
}
interface Bar {
  readonly start: number;
  readonly ok: number;
  readonly hard: number;
}
interface Lecture {
  readonly teacherOnline: boolean | undefined;
  readonly isOver: boolean;
  readonly questions: readonly {
    id: number;
    text: string;
    likes: number;
    captureUrl: string | null;
  }[];
  readonly moments: readonly { kind: string; note: string; atMs: number }[];
  readonly captures: readonly unknown[];
  readonly asking: readonly unknown[];
  readonly pace: readonly Bar[];
}

const { newLecture, hear, learn, countAsking, LIMITS } = await load<{
  newLecture: () => Lecture;
  hear: (lecture: Lecture, told: Told, nowMs: number) => Lecture;
  learn: (lecture: Lecture, told: Told, nowMs: number) => Lecture;
  countAsking: (lecture: Lecture, nowMs: number) => number;
  LIMITS: { questions: number; moments: number; captures: number; asking: number };
}>("lecture/lecture.js");
const { BARS, BAR_MS, barsUntil, isTooHard, sum } = await load<{
  BARS: number;
  BAR_MS: number;
  barsUntil: (bars: readonly Bar[], nowMs: number) => readonly Bar[];
  sum: (bars: readonly Bar[], sinceMs: number) => { ok: number; hard: number; share?: number };
  isTooHard: (
    bars: readonly Bar[],
    how: { nowMs: number; threshold: number; alertedAtMs: number },
  ) => boolean;
}>("lecture/pace.js");
const { judge } = await load<{
  judge: (
    due: readonly Pick<Told, "event" | "offset">[],
    received: ReadonlySet<string>,
  ) => { missed: number; delivered: number; lost: number };
}>("lecture/recovery.js");
type Strings = Record<string, Record<string, string>>;
/** Of each page, by the place of its modules. */
const TABLES: Readonly<Record<string, Strings>> = {
  "": (await load<{ STRINGS: Strings }>("words/strings.js")).STRINGS,
  "operator/": (await load<{ STRINGS: Strings }>("operator/strings.js")).STRINGS,
};

const nowMs = Date.parse("2026-01-02T03:04:05Z");
let n = 0;
const told = (name: string, event: Record<string, unknown> = {}): Told => ({
  name,
  event: { event: name, ...event },
  offset: `1700000000000-${++n}`,
});
const asked = (id: number, more = {}) =>
  told("new_question", { question_id: id, cleaned_text: "Why?", capture_url: null, ...more });
const after = (events: readonly Told[], from = newLecture()) =>
  events.reduce((lecture, each) => hear(lecture, each, nowMs), from);

t.test("an event that comes twice, as history and live, counts once", async (t) => {
  const events = [told("feedback", { feedback_type: "HARD" }), asked(1), told("hard_alert")];
  const once = after(events);
  t.same(after(events, once), once);
  t.same(sum(once.pace, 0), { ok: 0, hard: 1, share: 1 });
  const next = { ...told("important", { note: "" }), offset: "1700000000001-1" };
  t.equal(after([next], once).moments.length, 2, "a new epoch comes after an old one");
});

t.test("a question has the picture of its moment, the newest likes, and keeps them", async (t) => {
  const capture = told("question_capture", { question_id: 4, capture_url: "/a.png" });
  const like = (like_count: number) => told("question_like_update", { question_id: 4, like_count });
  const lecture = after([capture, asked(4), like(9), like(3), asked(4, { cleaned_text: "So?" })]);
  t.match(lecture.questions, [{ id: 4, text: "So?", captureUrl: "/a.png", likes: 3 }]);
  t.equal(lecture.questions.length, 1);
});

t.test("who writes on a question is counted until it is asked, or forgotten", async (t) => {
  const intents = [1, 2].map((question_id) => told("question_intent", { question_id }));
  const lecture = after(intents);
  t.equal(countAsking(lecture, nowMs), 2);
  t.equal(countAsking(after([asked(1)], lecture), nowMs), 1);
  t.equal(countAsking(lecture, nowMs + 600_000), 0);
});

t.test("what comes after the end is the next lecture; the teacher's leaving is not", async (t) => {
  const over = after([asked(1), told("session_ended")]);
  const left = after([told("teacher_presence", { is_online: false })], over);
  t.match(left, { isOver: true, teacherOnline: false });
  t.equal(left.questions.length, 1);
  t.match(after([asked(2)], left), { isOver: false, questions: [{ id: 2 }] });
});

t.test("a teacher learns what students were shown, once, in the order of time", async (t) => {
  const at = (seconds: number) => new Date(nowMs - seconds * 1_000).toISOString();
  const [late, early] = [5, 60].map((seconds) =>
    told("important", { note: String(seconds), capture_url: null, created_at: at(seconds) }),
  ) as [Told, Told];
  const lecture = [late, early, late].reduce((lec, each) => learn(lec, each, nowMs), newLecture());
  t.same(
    lecture.moments.map(({ note }) => note),
    ["60", "5"],
  );
});

t.test("a day of events leaves every list within its limit", async (t) => {
  let lecture = newLecture();
  for (let i = 0; i < 3_000; i++) {
    const created_at = new Date(nowMs - (3_000 - i) * 30_000).toISOString();
    const long = "x".repeat(5_000);
    for (const each of [
      told("feedback", { feedback_type: "OK", created_at }),
      told("question_intent", { question_id: i + 9_000, created_at }),
      told("question_capture", { question_id: i, capture_url: "/a" }),
      asked(i, { cleaned_text: long }),
      told("important", { note: long, capture_url: null, created_at }),
    ])
      lecture = hear(lecture, each, nowMs);
  }
  t.equal(lecture.questions.length, LIMITS.questions);
  t.equal(lecture.moments.length, LIMITS.moments);
  t.equal(lecture.captures.length, LIMITS.captures);
  t.equal(lecture.asking.length, LIMITS.asking);
  t.ok(lecture.pace.length <= BARS);
  t.ok(JSON.stringify(lecture).length < 1024 * 1024, "less than 1 MiB of text");
});

t.test("bars end now, and nothing is voted in the future", async (t) => {
  const vote = (created_at?: string) => told("feedback", { feedback_type: "OK", created_at });
  const lecture = after([vote("2030-01-01T00:00:00Z"), vote(), vote("nonsense")]);
  const bars = barsUntil(lecture.pace, nowMs);
  t.equal(bars.length, BARS);
  t.equal(bars.at(-1)?.ok, 3);
  t.equal(barsUntil(lecture.pace, nowMs + BARS * BAR_MS).at(-1)?.ok, 0, "and then they are past");
});

t.test("an alert is offered for a share of enough votes, and not soon after one", async (t) => {
  const hard = (count: number) =>
    after(Array.from({ length: count }, () => told("feedback", { feedback_type: "HARD" }))).pace;
  const how = { nowMs, threshold: 0.4, alertedAtMs: -Infinity };
  t.notOk(isTooHard(hard(4), how), "four votes are no class");
  t.ok(isTooHard(hard(5), how));
  t.notOk(isTooHard(hard(5), { ...how, alertedAtMs: nowMs - 1_000 }));
  t.notOk(isTooHard(hard(5), { ...how, nowMs: nowMs + 600_000 }), "they are past");
});

t.test("a return is judged by the history: the newest like stands for those before", async (t) => {
  const like = { event: { event: "question_like_update", question_id: 1 } };
  const due = [
    { offset: "1-1", event: { event: "important" } },
    { offset: "1-2", ...like },
    { offset: "1-3", ...like },
  ];
  t.same(judge(due, new Set(["1-1", "1-3"])), { missed: 3, delivered: 3, lost: 0 });
  t.same(judge(due, new Set(["1-2"])), { missed: 3, delivered: 1, lost: 2 });
});

t.test("every language has every string, with the same values in it", (t) => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [page, { en = {}, ...others }] of Object.entries(TABLES)) {
    t.ok(Object.keys(others).length > 0);
    for (const [language, strings] of Object.entries(others)) {
      t.same(Object.keys(strings).sort(), Object.keys(en).sort(), `${page}${language}`);
      for (const [key, text] of Object.entries(strings)) {
        t.not(text.trim(), "", `${page}${language} ${key}`);
        t.same(values(text), values(en[key] ?? ""), `${page}${language} ${key}`);
      }
    }
  }
  t.end();
});

t.test("every string is used", async (t) => {
  const place = new URL("../../server/public/", import.meta.url);
  const files = (await readdir(place, { recursive: true })).filter(
    (file) => file.endsWith(".js") && !file.endsWith("strings.js"),
  );
  for (const [page, { en = {} }] of Object.entries(TABLES)) {
    const own = files.filter((file) => file.startsWith("operator/") === (page === "operator/"));
    const sources = await Promise.all(own.map((file) => readFile(new URL(file, place), "utf8")));
    const source = sources.join("\n");
    const isUsed = (key: string) =>
      source.includes(`"${key}"`) ||
      source.includes(`.${key}`) ||
      // Those that are put together.
      source.includes(`\`${key.replace(/(?<=^crowdQuestion)\d$|(?<=^(state|what)_)\w+$/, "")}\${`);
    t.same(
      Object.keys(en).filter((key) => !isUsed(key)),
      [],
      page,
    );
  }
});
