import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import t from "tap";
import { Turnstile } from "../../server/dist/edge/gate/turnstile.js";
import { dropper } from "../../server/dist/edge/guard.js";

const EACH_MS = 1;
const COMERS = 200;
/** Of those who come, as many may be let in before somebody who is there has a turn: 5 ms of them, and one that is late. */
const MOST_IN_A_TURN = 8;

const connection = {
  destroy: () => undefined,
};

function work(): void {
  const until = performance.now() + EACH_MS;
  while (performance.now() < until);
}

void t.test(
  "those who come at once are let in in turn, and those who are there are served between",
  async (t) => {
    const turnstile = new Turnstile(dropper(pino({ level: "silent" })));
    const entered: number[] = [];
    for (let i = 0; i < COMERS; i++) {
      turnstile.pass(connection, () => {
        work();
        entered.push(i);
      });
    }
    const inEachTurn: number[] = [];
    for (let before = 0; before < COMERS; before = entered.length) {
      inEachTurn.push(entered.length - before);
      await nextTurn();
    }
    t.ok(Math.max(...inEachTurn) <= MOST_IN_A_TURN, inEachTurn.join(" "));
    t.strictSame(
      entered,
      Array.from({ length: COMERS }, (_, i) => i),
      "all, in the order in which they came",
    );
    t.equal(turnstile.waiting, 0);
  },
);

void t.test("whoever comes to an idle replica does not wait", async (t) => {
  const turnstile = new Turnstile(dropper(pino({ level: "silent" })));
  let hasEntered = false;
  turnstile.pass(connection, () => {
    hasEntered = true;
  });
  t.ok(hasEntered);
  await nextTurn();
  await nextTurn();
  for (let i = 0; i < 20; i++) turnstile.pass(connection, work);
  let isLast = false;
  turnstile.pass(connection, () => {
    isLast = true;
  });
  t.notOk(isLast, "behind those who wait");
  while (turnstile.waiting > 0) await nextTurn();
  t.ok(isLast);
});

void t.test("an error costs him who comes in, and nobody who waits behind him", async (t) => {
  const turnstile = new Turnstile(dropper(pino({ level: "silent" })));
  const entered: number[] = [];
  const dropped: number[] = [];
  for (let i = 0; i < COMERS; i++) {
    const connection = { destroy: () => dropped.push(i) };
    turnstile.pass(connection, () => {
      work();
      if (i % 2 === 0) throw new Error("nobody expected it");
      entered.push(i);
    });
  }
  while (turnstile.waiting > 0) await nextTurn();
  t.equal(entered.length, COMERS / 2);
  t.equal(dropped.length, COMERS / 2);
});
