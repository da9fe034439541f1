import { EVENTS, TIMESTAMP_FIELDS, type EventName } from "@inthon/emitter/protocol";

/** What is no event and no payload. */
export const NO_OBJECTS = [null, 7, "text", true, [], [{}]];
/** Wrong arguments of `emit` after the session, and the paths of all faults in them. */
export const WRONG_EMITS: readonly (readonly [readonly unknown[], readonly string[]])[] = [
  ...NO_OBJECTS.map((payload) => [["session_ended", payload], [""]] as const),
  [["pop_quiz", {}], ["/event"]],
  [["__proto__", {}], ["/event"]],
  [["toString"], ["/event"]],
  [["connected", { role: "student" }], ["/event"]],
  [["hard_alert"], ["/capture_url"]],
  [
    ["important", { capture_url: 7 }],
    ["/note", "/capture_url"],
  ],
  [
    ["question_like_update", { question_id: -1, like_count: 1.5 }],
    ["/question_id", "/like_count"],
  ],
  [["session_ended", { "a/b~c": 1 }], ["/a~1b~0c"]],
  [["feedback", { feedback_type: "OK", created_at: "2025-02-30T00:00:00Z" }], ["/created_at"]],
  [["important", { note: "\ud800", capture_url: null }], ["/note"]],
];
/** What throws when it is read. */
function throwing(): object {
  return Object.defineProperty({}, "note", {
    enumerable: true,
    get() {
      throw new TypeError("a getter's own");
    },
  });
}

/** An array with a hole in it. */
function holed(): unknown[] {
  const events: unknown[] = [{ event: "session_ended" }];
  events.length = 2;
  return events;
}

/** What callers in JavaScript give `emitAll` besides a session and an array: all arguments, and the code. */
export const WRONG_LISTS: readonly (readonly [readonly unknown[], string])[] = [
  [[[{ event: "session_ended" }]], "invalid_session_id"],
  [[{ event: "session_ended" }], "invalid_session_id"],
  ...[
    ...[undefined, null, 0, 7, "text", true, Symbol("events"), 1n, () => []],
    ...[{}, { length: 1, 0: { event: "session_ended" } }, { event: "session_ended" }],
    ...[new Set([{ event: "session_ended" }]), Object.create(null) as unknown, new Map().values()],
    { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true }) }) },
    ...[holed(), [Object.create(null)], [throwing()], [[]], [undefined], [Symbol("event")]],
  ].map((events): readonly [readonly unknown[], string] => [
    ["lecture-1", events],
    "invalid_event",
  ]),
];

/** Payloads, and options, that are none. */
export const UNREADABLE_PAYLOADS = [throwing(), () => undefined, Symbol("payload"), 1n];
export const NO_OPTIONS = [null, 0, 5_000, "text", true, Symbol("options"), 1n, [], () => ({})];

/** What is no session id. */
export const WRONG_SESSIONS = [
  "",
  "a.b",
  "a/b",
  "../x",
  "a b",
  "세션",
  "s".repeat(65),
  "s\n",
  7,
  null,
  {},
];
/** Options that `emit` does not take. */
export const WRONG_OPTIONS = [
  ...[0, -1, 1.5, NaN, Infinity, 2 ** 31, "1000"].map((timeoutMs) => ({ timeoutMs })),
  ...["", "a b", "k".repeat(201), "é", "a\nb", null, 7, true, {}, ["k"], Symbol("k")].map(
    (idempotencyKey) => ({ idempotencyKey }),
  ),
  ...[{}, 1n, Symbol("5")].map((timeoutMs) => ({ timeoutMs })),
  {
    get timeoutMs() {
      throw new TypeError("a getter's own");
    },
  },
  // What is passed over would never be missed.
  ...[{ idempotencykey: "k" }, { timeout: 1_000 }, { ttl: 1 }, { timeoutMs: 1_000, key: "k" }],
];

const NO_TEXTS = [null, 0, true, {}, ["text"], "\ud800", "a\udc00"];
const NO_COUNTS = [-1, 1.5, 2 ** 53, "1", "", null, true, {}, [1]];
const NO_TIMES = [
  ...["", "now", "2025-11-15", "2025-11-15T12:34:56", "2025-11-15 12:34:56Z"],
  ...["2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "2025-11-15T24:00:00Z"],
  ...["2025-11-15T12:34:56+25:00", "2025-11-15T12:34:56.Z", "2025-11-15T12:34:56Z\n"],
  ...[1_763_210_096_789, null, false, {}, []],
];

/** What a page must not follow, also in the ways in which browsers and those who trim it would read it. */
const DANGEROUS_URLS = [
  ...["javascript:alert(1)", "JavaScript:alert(1)", "javascript://example.com/%0aalert(1)"],
  ...[" javascript:alert(1)", "\tjavascript:alert(1)", "\u0001javascript:alert(1)"],
  ...["java\nscript:alert(1)", "java\tscript:alert(1)", "javascript\r\n:alert(1)"],
  ...["\u00a0javascript:alert(1)", "\ufeffjavascript:alert(1)", "\u3000javascript:alert(1)"],
  ...["data:text/html,<script>alert(1)</script>", "data:image/png;base64,AAAA", "vbscript:x"],
  ...["file:///etc/passwd", "blob:https://example.com/x", "filesystem:https://a/b", "about:blank"],
  ...["ws://example.com/", "ftp://example.com/", "view-source:https://a/", "intent://x#Intent;end"],
  ...["https://", "http:///", "https://example.com:99999/", "//", "/a.png\u0000", "/a.png\n"],
];

/** For each field of the contract, a value that it takes, and values that it does not. */
const FIELDS: Readonly<Record<string, { good: unknown; wrong: readonly unknown[] }>> = {
  question_id: { good: 0, wrong: NO_COUNTS },
  like_count: { good: 7, wrong: NO_COUNTS },
  feedback_type: { good: "OK", wrong: ["ok", "EASY", "", 1, null, true, ["OK"], {}] },
  cleaned_text: { good: "text", wrong: ["", ...NO_TEXTS] },
  note: { good: "", wrong: NO_TEXTS },
  capture_url: {
    good: null,
    wrong: [...["", "http://[", 0, false, {}, ["/a.png"], "/\ud800"], ...DANGEROUS_URLS],
  },
  is_online: { good: false, wrong: ["true", "", 0, 1, null, {}, []] },
  created_at: { good: "2025-11-15T12:34:56Z", wrong: NO_TIMES },
  changed_at: { good: "2025-11-15T12:34:56Z", wrong: NO_TIMES },
};

function fieldsOf(name: EventName): Record<string, { good: unknown; wrong: readonly unknown[] }> {
  const fields = Object.keys(EVENTS[name].payload).map((field) => {
    const values = FIELDS[field];
    if (!values) throw new Error(`the contract has a new field ${field}: say here what it takes`);
    return [field, values] as const;
  });
  return Object.fromEntries(fields);
}

/** An event that may be published. */
export function goodEvent(name: EventName): Record<string, unknown> {
  const fields = Object.entries(fieldsOf(name)).map(([field, { good }]) => [field, good]);
  return { event: name, ...(Object.fromEntries(fields) as object) };
}

/** Every event with one fault: each field wrong in each way, each field missing, and a field too many. */
export function wrongEvents(name: EventName): { event: Record<string, unknown>; path: string }[] {
  const good = goodEvent(name);
  const fields = Object.entries(fieldsOf(name));
  const wrong = fields.flatMap(([field, values]) =>
    values.wrong.map((value) => ({ event: { ...good, [field]: value }, path: `/${field}` })),
  );
  const missing = fields
    .filter(([field]) => !TIMESTAMP_FIELDS.has(field))
    .map(([field]) => ({
      event: Object.fromEntries(Object.entries(good).filter(([name]) => name !== field)),
      path: `/${field}`,
    }));
  const extra = ["offset", "Event", "", "a/b"].map((field) => ({
    event: { ...good, [field]: 1 },
    path: `/${field.replace("/", "~1")}`,
  }));
  return [...wrong, ...missing, ...extra];
}
