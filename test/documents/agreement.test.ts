import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import t from "tap";
import {
  EVENT_NAMES,
  EVENTS,
  parseOffset,
  parseSessionId,
  type EventName,
} from "@inthon/emitter/protocol";
import { MAX_EVENT_BYTES, parseEvent } from "@inthon/emitter/validate";
import { openApi } from "../../server/dist/edge/docs/openapi.js";
import { READ_HISTORY } from "../../server/dist/edge/docs/operations.js";
import { readHistoryQuery } from "../../server/dist/edge/http/routes/history-query.js";
import { partCheck, partOf, type Document } from "./helpers/documents.js";

/** To run with the values of another run: FC_SEED=<its seed>. */
const seed = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const RUNS = { seed, numRuns: 2_000 };

const document = JSON.parse(
  JSON.stringify(
    openApi([{ url: "/sessions/:session_id/events", operation: READ_HISTORY }], {
      version: "0.0.0",
      takesKeys: true,
      takesTokens: true,
    }),
  ),
) as Document;
const check = partCheck(document, "2020-12");

/** What a value of each kind of field may be, right and wrong. */
const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  text: fc.string({ unit: "binary", maxLength: 12 }),
  note: fc.oneof(fc.string({ maxLength: 12 }), fc.constant("\ud800")),
  count: fc.oneof(fc.maxSafeNat(), fc.integer(), fc.double(), fc.constant(2 ** 53)),
  feedback_type: fc.constantFrom("OK", "HARD", "ok", ""),
  capture_url: fc.oneof(
    fc.constantFrom("/a.png", "../b", "javascript:x", "https://c.example/", " /d", "", "data:,e"),
    fc.webUrl(),
    fc.string({ maxLength: 8 }),
    fc.constant(null),
  ),
  online: fc.boolean(),
  timestamp: fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.constantFrom("2025-02-30T00:00:00Z", "2025-11-15T12:34Z", "2025-11-15T12:34:56,7+0900"),
    fc.constantFrom("2025-11-15", "2025-11-15T12:34:56", "2025-11-15T24:00:00Z"),
  ),
};

function eventLike(name: EventName): fc.Arbitrary<unknown> {
  const fields = Object.entries<string>(EVENTS[name].payload).map(([field, kind]) => {
    const right = FIELDS[kind] ?? fc.constant("no arbitrary for this kind");
    return [field, fc.oneof({ arbitrary: right, weight: 30 }, fc.jsonValue())] as const;
  });
  const model = Object.fromEntries(fields);
  const record = fc.oneof(
    { arbitrary: fc.record(model), weight: 4 },
    { arbitrary: fc.record(model, { requiredKeys: [] }), weight: 1 },
  );
  const more = fc.oneof({ arbitrary: fc.constant({}), weight: 20 }, fc.constant({ extra: 1 }));
  return fc.tuple(record, more).map(([one, other]) => ({ event: name, ...one, ...other }));
}

const anyEvent = fc.oneof(
  ...EVENT_NAMES.map((name) => ({ arbitrary: eventLike(name), weight: 8 })),
  { arbitrary: fc.jsonValue(), weight: 1 },
  { arbitrary: fc.record({ event: fc.string() }), weight: 1 },
);

/**
 * What JSON Schema does not say, so that the documents take what is refused: a lone surrogate, a day that is on no calendar,
 * where a URL leads, and how many bytes it is in all. Each is in a description.
 */
function isBeyondSchemas(value: unknown): boolean {
  const fields = value as Readonly<Record<string, unknown>>;
  const texts = Object.values(fields).filter((each) => typeof each === "string");
  const times = [fields["created_at"], fields["changed_at"]].map(String);
  const { capture_url: link } = fields;
  return (
    texts.some((text) => Buffer.from(text).toString() !== text) ||
    times.some((time) => /-(02-(29|30|31)|(04|06|09|11)-31)T/.test(time)) ||
    (typeof link === "string" && !isLink(link)) ||
    Buffer.byteLength(JSON.stringify(value)) > MAX_EVENT_BYTES
  );
}

function isLink(text: string): boolean {
  const isBare = text.trim() === text && !/\p{Cc}/u.test(text);
  const page = "https://page.example/";
  return isBare && URL.canParse(text, page) && /^https?:/.test(new URL(text, page).href);
}

void t.test("the document takes the events that are taken, and no others", (t) => {
  let taken = 0;
  let beyond = 0;
  const agrees = (given: unknown) => {
    // As it comes over HTTP.
    const value = JSON.parse(JSON.stringify(given)) as unknown;
    const isTaken = doesNotThrow(() => parseEvent(value));
    const fault = check(value, "components", "schemas", "Event");
    if (isTaken) taken++;
    if (isTaken) return fault === undefined;
    if (fault !== undefined) return true;
    beyond++;
    return isBeyondSchemas(value);
  };
  fc.assert(fc.property(anyEvent, agrees), RUNS);
  t.ok(taken > 100, `${taken} were taken`);
  t.ok(taken < RUNS.numRuns - 100, "and many were not");
  t.ok(beyond > 0, `${beyond} were refused beyond what a schema says`);
  t.end();
});

void t.test("what is refused beyond a schema, is refused by what its description says", (t) => {
  const event = { event: "hard_alert", capture_url: null };
  for (const wrong of [
    { event: "important", note: "\ud800", capture_url: null },
    { ...event, created_at: "2025-02-30T00:00:00Z" },
    { ...event, capture_url: "javascript:alert(1)" },
    { event: "important", note: "n".repeat(MAX_EVENT_BYTES), capture_url: null },
  ]) {
    t.equal(check(wrong, "components", "schemas", "Event"), undefined);
    t.throws(() => parseEvent(wrong));
  }
  t.end();
});

void t.test(
  "the document takes the queries, ids and offsets that are taken, and no others",
  (t) => {
    const coercing = partCheck(document, "2020-12", { coerces: true });
    const operation = ["paths", "/sessions/{session_id}/events", "get", "parameters"];
    const parameters = partOf(document, ...operation) as readonly { name?: string }[];
    const schemaOf = (name: string) => [
      ...operation,
      String(parameters.findIndex((each) => each.name === name)),
      "schema",
    ];
    const number = fc.oneof(
      fc.integer({ min: -2, max: 1_002 }).map(String),
      fc.double().map(String),
      fc.constantFrom("0", "1", "1000", "1001", "1e2", " 5", "0x10", "", "-0", "1.0", "Infinity"),
      fc.string({ maxLength: 4 }),
    );
    // Longer numbers than JavaScript counts exactly are no offsets, which a pattern does not say.
    const digits = fc.oneof(fc.maxSafeNat().map(String), fc.string({ maxLength: 3 }));
    const offset = fc.oneof(
      fc.tuple(digits, digits).map((two) => two.join("-")),
      fc.string(),
    );
    const role = fc.constantFrom("teacher", "student", "Teacher", "", "publisher");
    let taken = 0;
    const query = fc.record({ role, after: offset, limit: number }, { requiredKeys: [] });
    fc.assert(
      fc.property(query, (given) => {
        const isTaken = doesNotThrow(() => readHistoryQuery(given));
        const isRight =
          given.role !== undefined &&
          Object.entries(given).every(
            ([name, value]) => coercing(value, ...schemaOf(name)) === undefined,
          );
        if (isTaken) taken++;
        return isTaken === isRight;
      }),
      RUNS,
    );
    t.ok(taken > 20, `${taken} were taken`);
    const id = fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{1,66}$/));
    const isSchema = (value: string, name: string) =>
      check(value, "components", "schemas", name) === undefined;
    fc.assert(
      fc.property(id, offset, (someId, someOffset) => {
        t.equal(parseSessionId(someId) !== undefined, isSchema(someId, "session_id"), someId);
        t.equal(parseOffset(someOffset) !== undefined, isSchema(someOffset, "offset"), someOffset);
      }),
      { seed, numRuns: 200 },
    );
    t.end();
  },
);

function doesNotThrow(task: () => unknown): boolean {
  try {
    task();
    return true;
  } catch {
    return false;
  }
}
