import t from "tap";
import { Expiries } from "../../server/dist/classroom/tokens/expiries.js";
import { Inbox } from "../helpers/clients/inbox.js";

const nowS = () => Math.floor(Date.now() / 1_000);

void t.test(
  "a whole class whose tokens run out at once is ended in slices, each once",
  async (t) => {
    const ended = new Inbox<number>();
    const turns = new Set<number>();
    let turn = 0;
    let isCounting = true;
    const count = () => {
      turn++;
      if (isCounting) setImmediate(count);
    };
    count();
    const expiries = new Expiries<number>((member) => {
      turns.add(turn);
      ended.add(member);
    });
    t.teardown(() => {
      isCounting = false;
      expiries.close();
    });
    const members = Array.from({ length: 350 }, (_, index) => index);
    for (const member of members) expiries.add(nowS() - (member % 2), member);
    expiries.add(nowS() + 600, -1);
    await ended.until((items) => items.length === members.length);
    t.strictSame(
      [...ended.items].sort((a, b) => a - b),
      members,
    );
    t.ok(turns.size >= 4, `in ${String(turns.size)} turns of the event loop`);
    t.equal(expiries.size, 1, "whose time has not come waits");
  },
);

void t.test("who has gone before its time is not ended, and leaves nothing", async (t) => {
  const ended = new Inbox<string>();
  const expiries = new Expiries<string>((member) => {
    ended.add(member);
    // One end may bring another one with it.
    expiries.remove(past, "with the first");
  });
  // Its own timer keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => {
    clearInterval(alive);
    expiries.close();
  });
  const past = nowS() - 1;
  for (const member of ["gone", "first", "with the first"]) expiries.add(past, member);
  expiries.remove(past, "gone");
  expiries.add(past, "last");
  await ended.next((member) => member === "last");
  t.strictSame(ended.items, ["first", "last"]);
  t.equal(expiries.size, 0);
});
