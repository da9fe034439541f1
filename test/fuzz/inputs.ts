/** What clients send, right, wrong and in between: made at random from a seed, and from a corpus. */
import * as fc from "fast-check";
import { frame } from "../helpers/clients/raw-bytes.js";
import { PLAIN_JUNK, POLLING_JUNK, SOCKET_IO_JUNK } from "../helpers/samples/junk-frames.js";
import { WRONG_PATHS } from "../helpers/samples/wrong-addresses.js";

/** What is sent on one connection, piece by piece; each piece is one input. */
export type Visit =
  /** Requests, as bytes. */
  | { readonly door: "http"; readonly pieces: readonly Buffer[] }
  /** What follows a handshake that became a WebSocket. */
  | { readonly door: "webSocket"; readonly target: string; readonly pieces: readonly Buffer[] }
  /** Bodies of long polling, and the methods of the requests that bring them. */
  | {
      readonly door: "polling";
      readonly target: string;
      readonly methods: readonly string[];
      readonly pieces: readonly Buffer[];
    };

/** Few, so that what is published stays little. */
export const SESSIONS = ["fuzz-1", "fuzz-2"];
const MAX_PIECES = 40;

const junkText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.json({ maxDepth: 4 }),
  fc.constantFrom("", "__proto__", "constructor", "0", "-1", "9".repeat(400), "\u0000", "null"),
  fc.integer({ min: 1, max: 2_000 }).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
);
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

/** Places in a history, and what looks like one. */
const offset = fc.oneof(
  fc.tuple(fc.nat(), fc.nat()).map(([epoch, n]) => `${String(epoch)}-${String(n)}`),
  fc.constantFrom("", "-", "0-0", "1-", "-1", "1-1-1", `${"9".repeat(30)}-1`, "1-1e9", "NaN-NaN"),
  junkText,
);
const token = fc.oneof(
  fc.base64String({ maxLength: 200 }).map((body) => `eyJhbGciOiJub25lIn0.${body}.`),
  junkText,
);
const pid = fc.oneof(
  fc.constantFrom(...SESSIONS).map((session) => `${session}.student.${"x".repeat(20)}`),
  junkText,
);
const auth = fc
  .record({ session_id: junkText, role: junkText, token, pid, offset }, { requiredKeys: [] })
  .map((value) => JSON.stringify(value));

const query = fc
  .dictionary(
    fc.constantFrom("EIO", "transport", "sid", "offset", "token", "j", "b64", "t", "session_id"),
    fc.oneof(fc.constantFrom("4", "3", "polling", "websocket", "webtransport"), offset, token),
    { maxKeys: 5 },
  )
  .map((entries) => `?${new URLSearchParams(entries).toString()}`);
const path = fc.oneof(
  fc.constantFrom(...WRONG_PATHS, "/", "/socket.io/", "/healthz", "/readyz", "/favicon.svg", "*"),
  fc.constantFrom(...SESSIONS).map((session) => `/ws/session/${session}/student/`),
  fc.constantFrom(...SESSIONS).map((session) => `/sessions/${session}/events`),
  fc.constantFrom(...SESSIONS).map((session) => `/sessions/${session}`),
  junkText.map((text) => `/${encode(text.slice(0, 100))}`),
  bytes.map((array) => `/${array.toString("latin1").replaceAll(/\s/g, "")}`),
);
const header = fc.oneof(
  fc.constantFrom(
    ...[
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Upgrade: h2c",
      "Connection: close",
      "Origin: x",
    ],
    ...[
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Version: 8",
      "Sec-WebSocket-Key: x",
      "Expect: x",
    ],
    ...[
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol: bearer, x",
      "Range: x",
    ],
    ...["Content-Type: application/json", "Content-Type: text/plain", "Authorization: Bearer x"],
    ...[
      "Expect: 100-continue",
      "Accept: text/event-stream",
      "Sec-WebSocket-Extensions: permessage-deflate",
    ],
    ...[
      "X-Forwarded-For: ::1, x",
      "X-Forwarded-For: fe80::1%a.b, 127.0.0.9",
      "Idempotency-Key: x",
      "Last-Event-ID: 1-1",
      "Accept-Encoding: gzip",
    ],
  ),
  token.map((text) => `Authorization: Bearer ${text}`),
  fc.tuple(junkText, junkText).map(([name, value]) => `${name}: ${value}`),
);
const event = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc
    .record(
      {
        event: fc.constantFrom("feedback", "important", "session_ended", "connected", "x"),
        note: junkText,
        capture_url: junkText,
        question_id: fc.integer(),
        created_at: junkText,
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value)),
);
const httpBody = fc.oneof(
  event,
  junkText,
  fc.array(event).map((events) => `[${events.join()}]`),
);

const request = fc
  .record({
    method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "X"),
    path,
    query: fc.oneof(fc.constant(""), query),
    headers: fc.array(header, { maxLength: 5 }),
    body: fc.option(httpBody),
    /** What it says of its length, besides the truth. */
    lie: fc.option(fc.constantFrom("0", "1", "99999999", "-1", "x", "1e3"), { freq: 8 }),
    version: fc.constantFrom("1.1", "1.1", "1.1", "1.0", "2.0"),
  })
  .map(({ method, path, query, headers, body, lie, version }) => {
    const text = body ?? "";
    const length = lie ?? (body === null ? undefined : String(Buffer.byteLength(text)));
    const lines = [`${method} ${path}${query} HTTP/${version}`, "Host: fuzz", ...headers];
    if (length !== undefined) lines.push(`Content-Length: ${length}`);
    return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${text}`);
  });

/** Packets of Socket.IO below one of Engine.IO, and what is neither. */
const packet = fc.oneof(
  fc.constantFrom(...SOCKET_IO_JUNK.filter((it): it is string => typeof it === "string")),
  fc.constantFrom(...PLAIN_JUNK.filter((it): it is string => typeof it === "string")),
  fc.constantFrom("40", "41", '42["ping"]', '429["ping"]', "3", "1", "2probe", "5", "0"),
  auth.map((text) => `40${text}`),
  fc
    .tuple(fc.constantFrom("40", "42", "43", "44", "45", "46", "b", "4", ""), junkText)
    .map((it) => it.join("")),
  fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }).map((it) => `42${JSON.stringify(it)}`),
);

/** For a URL. A character that was cut in two is replaced. */
function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}

/** A frame, and in what it may lie. */
const anyFrame = fc.oneof(
  { weight: 6, arbitrary: packet.map((text) => longFrame(0x81, Buffer.from(text), true)) },
  fc
    .tuple(
      fc.integer({ min: 0, max: 255 }),
      bytes,
      fc.boolean(),
      fc.option(fc.maxSafeNat(), { freq: 6 }),
    )
    .map(([first, payload, isMasked, lie]) => longFrame(first, payload, isMasked, lie)),
  fc.tuple(fc.integer({ min: 0, max: 15 }), bytes).map(([opcode, payload]) => {
    return frame(opcode, payload.subarray(0, 125), { isFinal: opcode % 2 === 0 });
  }),
  bytes,
);

/** A frame whose length may need more bytes, or be another than it says. */
function longFrame(first: number, payload: Buffer, isMasked: boolean, lie?: number | null): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head = Buffer.alloc(10 + (isMasked ? 4 : 0));
  head[0] = first;
  head[1] = mask | 127;
  head.writeBigUInt64BE(BigInt(lie ?? payload.length), 2);
  return Buffer.concat([head, payload]);
}

const pieces = (piece: fc.Arbitrary<Buffer>) =>
  fc.array(piece, { minLength: 1, maxLength: MAX_PIECES, size: "max" });
const session = fc.constantFrom(...SESSIONS);
const role = fc.constantFrom("student", "teacher");
const target = fc.tuple(session, role).map(([id, as]) => `/ws/session/${id}/${as}/`);

const visit: fc.Arbitrary<Visit> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ door: fc.constant("http" as const), pieces: pieces(request) }),
  },
  fc.record({
    door: fc.constant("webSocket" as const),
    target: fc.oneof(
      target,
      offset.map((it) => `/ws/session/fuzz-1/student/?offset=${encode(it)}`),
    ),
    pieces: pieces(anyFrame),
  }),
  fc.record({
    door: fc.constant("webSocket" as const),
    target: fc
      .oneof(target, fc.constant("/socket.io/"))
      .map((it) => `${it}?EIO=4&transport=websocket`),
    pieces: pieces(anyFrame),
  }),
  fc.record({
    door: fc.constant("polling" as const),
    target: fc.oneof(target, fc.constant("/socket.io/")),
    methods: fc.array(
      fc.oneof(
        { weight: 20, arbitrary: fc.constant("POST") },
        fc.constantFrom("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"),
      ),
      { minLength: 1, maxLength: MAX_PIECES, size: "max" },
    ),
    pieces: pieces(
      fc.oneof(
        fc.array(packet, { maxLength: 8 }).map((packets) => Buffer.from(packets.join("\u001e"))),
        fc.constantFrom(...POLLING_JUNK).map((body) => Buffer.from(body)),
        bytes,
      ),
    ),
  }),
);

/** So many visits, the same for the same seed. */
export function visits(seed: number, count: number): Visit[] {
  return fc.sample(visit, { seed, numRuns: count });
}
