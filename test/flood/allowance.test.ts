import fc from "fast-check";
import t from "tap";
import { Allowance, type MessageRate } from "../../server/dist/edge/intake/allowance.js";

const RATE = { perS: 20, burst: 50 };
/** One message's share of a second. */
const SHARE_MS = 1_000 / RATE.perS;

/** How often it is looked at who waits; and how much later than that it may be. */
const TICK_MS = 25;
const LAG_MS = 10;
const PATIENCE_MS = 10_000;
const START_MS = 1_000_000;

/** What becomes of a client whose messages come at these times, in milliseconds from its first: they are read when it is. */
function meet(rate: MessageRate, times: Iterable<number>, lagMs = 0) {
  const allowance = new Allowance(rate);
  const verdicts = new Set<string>();
  let nowMs = START_MS;
  let longestWaitMs = 0;
  for (const time of times) {
    const arrivedMs = START_MS + time;
    nowMs = Math.max(nowMs, arrivedMs);
    if (!allowance.isReady(nowMs)) {
      const dueMs = allowance.readyAtMs;
      while (nowMs < dueMs) nowMs = (Math.floor(nowMs / TICK_MS) + 1) * TICK_MS;
      nowMs += lagMs;
      allowance.readOn(nowMs);
    }
    longestWaitMs = Math.max(longestWaitMs, nowMs - arrivedMs);
    const verdict = allowance.take(1, nowMs);
    verdicts.add(verdict);
    if (verdict === "too many") return { verdicts, endedMs: nowMs - START_MS, longestWaitMs };
  }
  return { verdicts, endedMs: undefined, longestWaitMs };
}

/** So many at once, again and again, at so many in a second, for so long. */
function* bunches(size: number, perS: number, ms: number): Generator<number> {
  for (let time = 0; time < ms; time += (size * 1_000) / perS) {
    for (let i = 0; i < size; i++) yield time;
  }
}

void t.test("a burst goes through at once, and what comes behind it waits its share", (t) => {
  const allowance = new Allowance(RATE);
  for (let i = 0; i < RATE.burst; i++) t.equal(allowance.take(1, 5), "go on");
  t.ok(allowance.isReady(5));
  t.equal(allowance.take(1, 5), "wait");
  t.notOk(allowance.isReady(5 + SHARE_MS - 1));
  t.ok(allowance.isReady(5 + SHARE_MS));
  t.end();
});

void t.test(
  "long messages count as so many short ones, but never as more than come at once",
  (t) => {
    const allowance = new Allowance(RATE);
    t.equal(allowance.takeMessages(1, 4_096, 5), "go on");
    t.equal(allowance.takeMessages(2, 0, 5), "go on");
    t.equal(allowance.takeMessages(1, 46 * 4_096, 5), "go on");
    t.equal(allowance.takeMessages(1, 4_097, 5), "wait");
    t.notOk(allowance.isReady(5 + SHARE_MS - 1));
    t.ok(allowance.isReady(5 + SHARE_MS));
    t.equal(new Allowance(RATE).takeMessages(1, 2 ** 30, 5), "go on");
    t.end();
  },
);

void t.test("who keeps to the rate never waits, however long", (t) => {
  const { verdicts } = meet(RATE, bunches(1, RATE.perS, 600_000));
  t.strictSame([...verdicts], ["go on"]);
  t.end();
});

void t.test("who keeps below the rate is never sent away, whatever bunches it sends", (t) => {
  const some = fc.record({
    perS: fc.integer({ min: 1, max: 10_000 }),
    burst: fc.integer({ min: 1, max: 200 }),
    /** Of the rate, what it sends over a longer time; and of the time that a bunch is worth, how long it is at most. */
    part: fc.double({ min: 0.01, max: 0.95, noNaN: true }),
    bunchMs: fc.integer({ min: 0, max: 400 }),
    lagMs: fc.integer({ min: 0, max: LAG_MS }),
  });
  fc.assert(
    fc.property(some, ({ perS, burst, part, bunchMs, lagMs }) => {
      const size = Math.max(1, Math.floor((bunchMs * perS) / 1_000));
      const ms = Math.min(60_000, 40_000_000 / perS);
      const { endedMs, longestWaitMs } = meet(
        { perS, burst },
        bunches(size, perS * part, ms),
        lagMs,
      );
      const shareMs = (size * 1_000) / perS;
      return endedMs === undefined && longestWaitMs <= shareMs + TICK_MS + lagMs + 1;
    }),
    { numRuns: 300 },
  );
  t.end();
});

void t.test("who stays above the rate is sent away when our patience is over", (t) => {
  const some = fc.record({
    perS: fc.integer({ min: 1, max: 2_000 }),
    burst: fc.integer({ min: 1, max: 200 }),
    /** How many times the rate. */
    times: fc.double({ min: 1.1, max: 50, noNaN: true }),
    bunch: fc.integer({ min: 1, max: 20 }),
    lagMs: fc.integer({ min: 0, max: LAG_MS }),
  });
  fc.assert(
    fc.property(some, ({ perS, burst, times, bunch, lagMs }) => {
      const shareMs = 1_000 / perS;
      // Until the burst is used up, which a little above the rate takes long.
      const burstMs = ((burst + 2 * bunch) * shareMs) / (times - 1);
      const boundMs = burstMs + PATIENCE_MS + 2 * shareMs + TICK_MS + lagMs + 1;
      const sent = bunches(bunch, perS * times, 2 * boundMs);
      const { endedMs } = meet({ perS, burst }, sent, lagMs);
      return endedMs !== undefined && endedMs > PATIENCE_MS && endedMs <= boundMs;
    }),
    { numRuns: 300 },
  );
  t.end();
});

void t.test("who was over the limit and then quiet begins anew", (t) => {
  const allowance = new Allowance(RATE);
  for (let day = 1; day < 20; day++) {
    const nowMs = day * 5_000;
    for (let i = 0; i <= RATE.burst; i++) t.not(allowance.take(1, nowMs), "too many");
  }
  t.end();
});

void t.test("what would take longer than ten seconds to work off is too many at once", (t) => {
  t.equal(new Allowance(RATE).take(RATE.burst + 200, 5), "wait");
  t.equal(new Allowance(RATE).take(RATE.burst + 201, 5), "too many");
  t.end();
});

void t.test("what is given back was not sent", (t) => {
  const allowance = new Allowance({ perS: 1, burst: 1 });
  for (let i = 0; i < 100; i++) {
    t.equal(allowance.take(1, 5), "go on");
    allowance.giveBack();
  }
  t.end();
});
