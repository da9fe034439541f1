import { randomInt } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { BEGINNINGS, eventNumber } from "../load/event-number.js";
import { clientFrame, FrameReader, OPCODE } from "../load/frame-reader.js";
import { Naps } from "../load/naps.js";
import { newTally, Sequence } from "../load/sequence.js";
import { patternFor } from "../patterns.js";

void t.test("frames are read whole, however they are split and joined", (t) => {
  const seed = randomInt(2 ** 31 - 1);
  t.comment(`seed ${seed}`);
  // On both sides of where the length takes more bytes.
  const length = fc.oneof(fc.nat(130), fc.integer({ min: 65_530, max: 65_540 }));
  const frame = fc.record({
    opcode: fc.constantFrom(OPCODE.text, OPCODE.ping, OPCODE.close),
    payload: length.map((size) => Buffer.alloc(size, `${size} `)),
  });
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), cuts, (frames, cuts) => {
      const bytes = Buffer.concat(
        frames.map(({ opcode, payload }) => serverFrame(opcode, payload)),
      );
      const read: { opcode: number; payload: Buffer }[] = [];
      const reader = new FrameReader();
      // The same memory for each piece, as the load client has it.
      const shared = Buffer.alloc(bytes.length);
      for (const piece of pieces(bytes, cuts)) {
        piece.copy(shared);
        reader.read(shared.subarray(0, piece.length), (opcode, data, start, end) => {
          read.push({ opcode, payload: Buffer.from(data.subarray(start, end)) });
        });
      }
      const isSame = read.every(({ opcode, payload }, i) => {
        const sent = frames[i];
        return sent?.opcode === opcode && payload.equals(sent.payload);
      });
      return isSame && read.length === frames.length;
    }),
    { seed, numRuns: 200 },
  );
  t.end();
});

function serverFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header.writeUInt8(0x80 | opcode, 0);
  header.writeUInt8(length < 126 ? length : length < 65_536 ? 126 : 127, 1);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b);
  return [...places, bytes.length].map((end, i) => bytes.subarray(places[i - 1] ?? 0, end));
}

void t.test("what no server may send is no frame", (t) => {
  const read = (bytes: number[]) => {
    new FrameReader().read(Buffer.from(bytes), () => undefined);
  };
  t.throws(() => {
    read([0x81, 0x81, 0, 0, 0, 0, 0]);
  }, /masked/);
  t.throws(() => {
    read([0x01, 1, 0]);
  }, /part of a message/);
  t.throws(() => {
    read([0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]);
  }, /4294967296 bytes/);
  t.same([...clientFrame(OPCODE.text, Buffer.from("40"))], [0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]);
  t.end();
});

void t.test("a counted event's number is read from its place, and from nowhere else", (t) => {
  const read = (known: readonly Buffer[], text: string) => {
    const data = Buffer.from(`##${text}`);
    return eventNumber(known, data, 2, data.length);
  };
  const intent = '{"event":"question_intent","question_id":1234567,"created_at":"2026"}';
  t.equal(read(BEGINNINGS["socket.io"], `42["question_intent",${intent},"1-1"]`), 1_234_567);
  t.equal(read(BEGINNINGS.plain, intent), 1_234_567);
  t.equal(read(BEGINNINGS["socket.io"], intent), undefined);
  t.equal(read(BEGINNINGS.plain, '{"event":"connected","session_id":"question_id"}'), undefined);
  t.equal(read(BEGINNINGS.plain, '{"event":"new_question"'), undefined);
  t.end();
});

void t.test("a client's sequence tells lost, duplicated and reordered events apart", (t) => {
  const cases = [
    { got: [1, 2, 3, 4], lost: 0, duplicated: 0, reordered: 0 },
    { got: [2, 3, 4], lost: 1, duplicated: 0, reordered: 0 },
    { got: [1, 4], lost: 2, duplicated: 0, reordered: 0 },
    { got: [1, 2], lost: 2, duplicated: 0, reordered: 0 },
    { got: [1, 2, 2, 3, 4], lost: 0, duplicated: 1, reordered: 0 },
    { got: [1, 3, 2, 4], lost: 0, duplicated: 0, reordered: 1 },
    { got: [2, 1, 3, 1, 4], lost: 0, duplicated: 1, reordered: 1 },
    { got: [], lost: 4, duplicated: 0, reordered: 0 },
  ];
  for (const { got, ...expected } of cases) {
    const tally = newTally();
    const sequence = new Sequence([true], tally);
    for (const number of got) sequence.receive(number);
    const last = got.at(-1) ?? 0;
    t.equal(sequence.hasReached(4), last === 4, `${got.join()}: has it reached the end`);
    sequence.giveUp(4);
    t.same(tally, { ...expected, deliveries: got.length }, got.join() || "nothing");
    t.ok(sequence.hasReached(4), "what was given up is not waited for");
  }
  t.end();
});

void t.test("a client that gets some of a session's events misses none of the others", (t) => {
  const events = ["question_capture", "question_intent", "new_question"] as const;
  t.same(patternFor("student", events), [true, false, true]);
  t.same(patternFor("teacher", events), [false, true, true]);
  const tally = newTally();
  const sequence = new Sequence(patternFor("teacher", events), tally);
  for (const number of [2, 3, 5, 6]) sequence.receive(number);
  t.ok(sequence.hasReached(7), "7 is for students");
  t.notOk(sequence.hasReached(8));
  t.same(tally, { deliveries: 4, lost: 0, duplicated: 0, reordered: 0 });
  sequence.receive(7);
  t.match(tally, { duplicated: 1 }, "an event for others is one too many");
  sequence.receive(10);
  t.match(tally, { duplicated: 2, lost: 2 }, "also where it is the first to come");
  sequence.giveUp(12);
  t.match(tally, { duplicated: 2, lost: 4 });
  t.end();
});

void t.test(
  "a load that naps does one turn of its event loop between two naps, until it is woken",
  async (t) => {
    const NAP_MS = 20;
    const TURNS = 5;
    const naps = new Naps();
    naps.take(NAP_MS);
    const startedAt = performance.now();
    for (let turn = 0; turn <= TURNS; turn++) await new Promise(setImmediate);
    t.ok(performance.now() - startedAt >= TURNS * NAP_MS);
    naps.take(0);
  },
);
