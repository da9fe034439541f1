import * as fc from "fast-check";

/** As deep as a frame may be long. */
const DEEP = `${"[".repeat(2_000)}${"]".repeat(2_000)}`;
const HUGE = "9".repeat(400);
const PLACEHOLDER = '{"_placeholder":true,"num":0}';

const BINARY: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from([0]),
  Buffer.from('{"type":"ping"}'),
  Buffer.from('42["ping"]'),
  Buffer.alloc(1_000, 0xff),
];

/** Frames that mean nothing to a plain connection. */
export const PLAIN_JUNK: readonly (string | Buffer)[] = [
  ...BINARY,
  ...["", " ", "x", "ping", "{", "}", "[", "null", "true", "0", "-0", HUGE, `1e${HUGE}`, '"ping"'],
  ...["[]", "{}", '["ping"]', '[{"type":"ping"}]', DEEP, `{"type":${DEEP}}`, "\u0000", "\ufeff"],
  ...['{"type":"pong"}', '{"type":"PING"}', '{"type":["ping"]}', '{"type":null}', '{"type":1}'],
  ...[`{"type":${HUGE}}`, '{"type":{"toString":"ping"}}', '{"event":"ping"}', '{"Type":"ping"}'],
  ...['{"__proto__":{"type":"ping"}}', '{"constructor":{"prototype":{"type":"x"}}}'],
  ...['{"event":"session_ended"}', '{"event":"feedback","feedback_type":"OK"}'],
  ...["2", "3", "40", "41", '42["ping"]', "2probe"],
];

const EVENT_NAMES = [
  ...["connect", "connect_error", "connection", "disconnect", "disconnecting", "error", "close"],
  ...["newListener", "removeListener", "__proto__", "constructor", "toString", "hasOwnProperty"],
  ...["connected", "pong", "feedback", "session_ended", "teacher_presence", "join", "", "x"],
];
const MESSAGES = [
  ...['"ping"', "null", "1", "[]", "{}", '["ping"]', '{"type":"pong"}', '{"type":["ping"]}'],
  ...['{"type":{"toString":null}}', '{"__proto__":{"type":"ping"}}', PLACEHOLDER, HUGE, DEEP],
];

/** Frames that mean nothing to a Socket.IO connection which is open and has joined its namespace. */
export const SOCKET_IO_JUNK: readonly (string | Buffer)[] = [
  ...BINARY,
  // Engine.IO: no packet, unknown types, and types that only the server may send, or only at another time.
  ...["", "x", "7", "8", "9[]", "b", "bAAAA", "-1", "\u0000", '0{"sid":"x"}', "2", "2x", "2probe"],
  ...["3", "3probe", "5", "6", "5x", "6x", '4\u001e42["ping"]'],
  // Socket.IO: no packet, unknown types, and a second or another namespace.
  ...["4", "4x", "4 ", "47", "48[]", "49", "4-1", "4null", "40", "40{}", "40[]", "40null", '40"x"'],
  ...[
    "40/",
    "40/,",
    '40/admin,{"token":1}',
    '42/admin,["message"]',
    '42admin,["message"]',
    "41/x,",
  ],
  ...['44{"message":"x"}', '44"x"', "44", '44/x,{"message":"x"}'],
  // Events that are none, and acknowledgements that nobody has asked for.
  ...["42", "42x", "42[", "42[]", "42{}", "42null", '42"ping"', "42[null]", "42[1]", "42[[]]"],
  ...["42[{}]", '42{"0":"ping"}', `42[${HUGE}]`, `42${DEEP}`, '42["x"', '4299["x"]'],
  ...["43", "43[]", "431[]", '4399999[{"event":"pong"}]', "43-1[]", `43${HUGE}[]`, "431{}"],
  // Binary packets: the contract has none, so what they announce never comes.
  ...[
    `451-["message",${PLACEHOLDER}]`,
    `459-["x",${PLACEHOLDER}]`,
    '450-["x"]',
    "45",
    "45-",
    "45x-",
  ],
  ...[`4599999999-["x",${PLACEHOLDER}]`, "461-1[]", `461-7[${PLACEHOLDER}]`, "46"],
  ...EVENT_NAMES.flatMap((name) => [`42["${name}"]`, `42["${name}",{"event":"${name}"},1]`]),
  ...MESSAGES.map((message) => `42["message",${message}]`),
  '42["message"]',
];

/** Bodies of long polling that mean nothing. */
export const POLLING_JUNK: readonly string[] = [
  ...[
    "",
    "x",
    "7",
    "\u001e",
    "\u001e\u001e",
    "4",
    "4x",
    "47",
    "42[",
    "42[]",
    "bAAAA",
    "3probe",
    "2",
  ],
  ...['42["x"]\u001e42["y"]', '42["x"]\u001ejunk', `42${DEEP}`, '451-["x",{"_placeholder":true}]'],
];

/** Text that any client could send; those that mean something are left out: a close, a disconnect, a ping. */
export function randomFrames(seed: number, count: number): string[] {
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 200 }),
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.json({ maxDepth: 4 }),
  );
  const digits = fc.constantFrom("4", "40", "42", "43", "44", "45", "46", "42/a,", "421", "2", "0");
  const prefix = fc.oneof(digits, fc.stringMatching(/^[0-9]{0,2}(\d{0,3}-)?(\/\w{0,5},)?\d{0,4}$/));
  const event = fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 });
  const frame = fc.oneof(
    text,
    fc.tuple(prefix, text).map(([head, tail]) => head + tail),
    event.map((args) => `42${JSON.stringify(args)}`),
  );
  const meansSomething = (frame: string) => /^(1|41)/.test(frame) || frame.includes("ping");
  return fc
    .sample(frame, { seed, numRuns: count })
    .filter((frame) => !meansSomething(frame) && Buffer.byteLength(frame) < 4_000);
}
