import t from "tap";
import { Allowance } from "../../server/dist/edge/intake/allowance.js";

const RATE = { perS: 20, burst: 50 };
/** One message's share of a second. */
const SHARE_MS = 1_000 / RATE.perS;

/** A client that sends, each time as soon as it is read again, and what became of it. */
function sendFor(ms: number, allowance: Allowance, everyMs: number) {
  const verdicts = new Map<string, number>();
  let nowMs = 1_000_000;
  const endMs = nowMs + ms;
  for (; nowMs < endMs; nowMs += everyMs) {
    // Nobody is read while it waits; it is looked at four times a second.
    while (!allowance.isReady(nowMs)) nowMs += 250;
    const verdict = allowance.take(1, nowMs);
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === "too many") return { verdicts, tookMs: nowMs - 1_000_000 };
  }
  return { verdicts, tookMs: ms };
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

void t.test("who keeps to the rate never waits, however long", (t) => {
  const { verdicts } = sendFor(600_000, new Allowance(RATE), SHARE_MS);
  t.strictSame([...verdicts.keys()], ["go on"]);
  t.end();
});

void t.test("who is a little above it waits, and stays", (t) => {
  const { verdicts } = sendFor(600_000, new Allowance(RATE), SHARE_MS * 0.95);
  t.strictSame([...verdicts.keys()].sort(), ["go on", "wait"]);
  t.end();
});

void t.test("who goes on and on is sent away after ten seconds", (t) => {
  const { verdicts, tookMs } = sendFor(600_000, new Allowance(RATE), 0.1);
  t.equal(verdicts.get("too many"), 1);
  t.ok(tookMs > 10_000 && tookMs < 11_000, `${String(tookMs)} ms`);
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
