import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { textFrames } from "../../server/dist/edge/wire/websocket-frames.js";
import { rawPlain, rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { startServer } from "../helpers/processes/server-process.js";

/** Where the length of a WebSocket's payload changes its place in the header (RFC 6455, section 5.2). */
const BOUNDARIES = [125, 126, 127, 65_535, 65_536, 65_537];
/** The longest event there may be, as JSON. */
const LONGEST = 65_536;
/** More than Socket.IO puts around an event's object: its name, the offset, brackets. */
const AROUND = 60;

void t.test("events of all lengths around those of WebSocket headers arrive intact", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const path = `/ws/session/${session}/teacher/`;
  const plain = await rawPlain(server.url, path);
  const socketIo = await rawSocketIo(server.url, path);
  t.teardown(() => Promise.all([plain.close(), socketIo.close()]));

  const created_at = "2025-11-15T12:34Z";
  const jsonOf = (capture_url: string) =>
    JSON.stringify({ event: "hard_alert", capture_url, created_at });
  // One character of three bytes: who counts characters is wrong by two.
  const shortest = Buffer.byteLength(jsonOf("한"));
  const urls = BOUNDARIES.flatMap((boundary) =>
    Array.from({ length: AROUND }, (_, i) => Math.min(boundary + 1 - i, LONGEST)).map(
      (length) => `한${"x".repeat(Math.max(0, length - shortest))}`,
    ),
  );
  const expected = [...new Set(urls)].sort((a, b) => a.length - b.length).map(jsonOf);
  for (let i = 0; i < expected.length; i += 14) {
    const events = expected
      .slice(i, i + 14)
      .map((json) => JSON.parse(json) as { capture_url: string });
    await emitter.emitAll(
      session,
      events.map(({ capture_url }) => ({ event: "hard_alert", capture_url, created_at })),
    );
  }

  const lengths = (frames: readonly string[]) => new Set(frames.map((f) => Buffer.byteLength(f)));
  const forms = {
    plain: { connection: plain, longest: LONGEST, objectIn: (frame: string) => frame },
    "Socket.IO": {
      connection: socketIo,
      longest: Infinity,
      objectIn: (frame: string) => JSON.stringify((JSON.parse(frame.slice(2)) as unknown[])[1]),
    },
  };
  for (const [form, { connection, longest, objectIn }] of Object.entries(forms)) {
    const events = () => connection.frames.items.filter((frame) => frame.includes('"hard_alert"'));
    await connection.frames.until(() => events().length === expected.length);
    const wrong = events().findIndex((frame, i) => objectIn(frame) !== expected[i]);
    t.equal(wrong, -1, `${form}: each is as it was published, in order`);
    const seen = lengths(events());
    t.strictSame(
      BOUNDARIES.filter((length) => !seen.has(length) && length <= longest),
      [],
      `${form}: every length was there`,
    );
    await connection.answersPing();
  }
});

void t.test("a header is as short as it can be, as the RFC asks", (t) => {
  const HEADERS = [
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [65_535, [0x81, 126, 0xff, 0xff]],
    [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ] as const;
  for (const [length, header] of HEADERS) {
    const frame = textFrames(["x".repeat(length)]);
    t.same([...frame.subarray(0, header.length)], header, `${length} bytes`);
    t.equal(frame.length, header.length + length);
  }
  t.same([...textFrames(["é", "b"])], [0x81, 2, 0xc3, 0xa9, 0x81, 1, 98], "one behind the other");
  t.end();
});
