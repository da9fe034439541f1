import { randomUUID } from "node:crypto";

/** As promised, not as built. */
const MAX_EVENT_BYTES = 64 * 1024;

const MAX_BODY_BYTES = 1024 * 1024;

/** A POST to a session's events. */
export interface Request {
  readonly session?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The answer to a POST, as far as tests look at it. */
export interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly challenge: string | null;
  readonly code: string | undefined;
  readonly paths: readonly string[] | undefined;
}

/** Posts bytes as they are, and reads the problem in the answer. */
export async function post(
  to: string,
  { session = randomUUID(), body = "", headers }: Request,
): Promise<Answer> {
  const response = await fetch(`${to}/sessions/${session}/events`, {
    method: "POST",
    headers: headers ?? { "content-type": "application/json" },
    body: Buffer.from(body),
  });
  const answer = (await response.json()) as { code?: string; errors?: { path: string }[] };
  return {
    status: response.status,
    type: response.headers.get("content-type")?.split(";")[0],
    code: answer.code,
    paths: answer.errors?.map(({ path }) => path),
    challenge: response.headers.get("www-authenticate"),
  };
}

/** The type of every error's body. */
export const PROBLEM = "application/problem+json";

export const JSON_TYPE = { "content-type": "application/json" };
/** An event that may be published, as JSON. */
export const EVENT = JSON.stringify({ event: "hard_alert", capture_url: null });
/** Its last character but two has two bytes in UTF-8. */
const NOT_ASCII = '{"event":"hard_alert","capture_url":null,"x":"\u00e9"}';
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
const noteOf = (length: number) => ({
  event: "important",
  note: "n".repeat(length),
  capture_url: null,
});
const arrayOf = (length: number, event: unknown) =>
  JSON.stringify(Array.from({ length }, () => event));

/** What is posted, the status of the answer, and the paths of its faults, where it names any. */
type Refusal = readonly [what: string, request: Request, status: number, paths?: readonly string[]];
/** Requests that publish nothing. */
export const REFUSALS: readonly Refusal[] = [
  ...["null", "1", '"text"', "true"].map((body): Refusal => [body, { body }, 400, [""]]),
  ["an empty object", { body: "{}" }, 400, ["/event"]],
  ["an empty array", { body: "[]" }, 400, [""]],
  ["an array in an array", { body: `[${EVENT},[${EVENT}]]` }, 400, ["/1"]],
  ["null in an array", { body: `[${EVENT},null]` }, 400, ["/1"]],
  ["1,001 events", { body: arrayOf(1_001, { event: "session_ended" }) }, 400, [""]],
  ["an unknown event", { body: '{"event":"pop_quiz"}' }, 400, ["/event"]],
  ["an event that is the server's own", { body: '{"event":"connected"}' }, 400, ["/event"]],
  ["a name that every object has", { body: '{"event":"toString"}' }, 400, ["/event"]],
  ["a name that is no string", { body: '{"event":["session_ended"]}' }, 400, ["/event"]],
  [
    "a number too large",
    { body: '{"event":"question_intent","question_id":1e999}' },
    400,
    ["/question_id"],
  ],
  [
    "a lone surrogate",
    { body: '{"event":"important","note":"\\ud800","capture_url":null}' },
    400,
    ["/note"],
  ],
  ["arrays, 100,000 deep", { body: DEEP }, 400, ["/0"]],
  ...["", "{", "[", "undefined", "{'event':'session_ended'}", '{"event":}', "\u0000"].map(
    (body): Refusal => [`invalid JSON ${body}`, { body }, 400],
  ),
  ...["__proto__", "constructor"].map((key): Refusal => [
    `the key ${key}`,
    { body: `{"event":"session_ended","${key}":{"prototype":{"event":"x"}}}` },
    400,
  ]),
  [
    "a malformed Idempotency-Key",
    { body: EVENT, headers: { ...JSON_TYPE, "idempotency-key": "a b" } },
    400,
  ],
  [
    "a long Idempotency-Key",
    { body: EVENT, headers: { ...JSON_TYPE, "idempotency-key": "k".repeat(201) } },
    400,
  ],
  ...["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x"].map(
    (type): Refusal => [
      `the type ${type}`,
      { body: EVENT, headers: { "content-type": type } },
      415,
    ],
  ),
  ...["iso-8859-1", '"utf-16"', "us-ascii"].map((charset): Refusal => [
    `the charset ${charset}`,
    { body: EVENT, headers: { "content-type": `application/json; charset=${charset}` } },
    415,
  ]),
  ...["gzip", "br", "identity, gzip"].map((coding): Refusal => [
    `the encoding ${coding}`,
    { body: EVENT, headers: { ...JSON_TYPE, "content-encoding": coding } },
    415,
  ]),
  ["Latin-1", { body: Buffer.from(NOT_ASCII, "latin1") }, 400],
  ["UTF-16", { body: Buffer.from(NOT_ASCII, "utf16le") }, 400],
  ["half of a character", { body: Buffer.from(NOT_ASCII).subarray(0, -3) }, 400],
  ["no type", { body: EVENT, headers: {} }, 415],
  ["an event over 64 KiB", { body: JSON.stringify(noteOf(MAX_EVENT_BYTES)) }, 413, [""]],
  [
    "an array with one over 64 KiB",
    { body: `[${EVENT},${JSON.stringify(noteOf(MAX_EVENT_BYTES))}]` },
    413,
    ["/1"],
  ],
  ["a body over 1 MiB", { body: arrayOf(20, noteOf(60_000)) }, 413],
  ["a body over 1 MiB of blanks", { body: EVENT.padEnd(MAX_BODY_BYTES + 1) }, 413],
];
