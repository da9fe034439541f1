import { randomUUID } from "node:crypto";
import t from "tap";
import { eventually } from "../helpers/eventually.js";
import { hears, openTeaching, type Teaching } from "./helpers/teaching.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 3;

// Replicas take their time to go.
t.setTimeout(180_000);

/** Those who fill a replica, so that it goes on for a while after the first of them has been sent away. */
const FILLERS = 4;
/** Longer than any test waits. */
const HANDOVER_MS = 30_000;
const ENV = { DRAIN_SPREAD_MS: "12000", HANDOVER_MS: String(HANDOVER_MS) };

/** Resolves when the replica that goes is dead to the other one. */
async function untilSwept({ nodes }: Teaching): Promise<void> {
  await eventually(async () => (await nodes()).length === 1);
}

const EVENTS: Readonly<Record<string, (it: Teaching) => Promise<void>>> = {
  "while Redis restarts, and forgets nothing": async ({ server, nodes }) => {
    const before = await nodes();
    await server.restart();
    // Then what was claimed under their former names has been taken out.
    await eventually(async () => !(await nodes()).some((node) => before.includes(node)));
  },
  "while the replica that sent it away is frozen for longer than a lease": async (it) => {
    it.goes.pause();
    await untilSwept(it);
    it.goes.resume();
  },
  "while that replica's link to Redis is away for longer than a lease": async (it) => {
    it.link.hangNew();
    it.link.cut();
    await untilSwept(it);
    it.link.leadAgain();
    it.link.cut();
  },
  "though that replica is killed": async (it) => {
    it.goes.kill("SIGKILL");
    await untilSwept(it);
  },
};

for (const [when, happen] of Object.entries(EVENTS)) {
  void t.test(`a teacher on its way is believed, ${when}`, async (t) => {
    const it = await openTeaching(t, ENV, { appendOnly: true, args: ["--appendfsync", "always"] });
    const { goes, stays, enter, told, members, drain, leasesLater } = it;
    const [session, shared] = [randomUUID(), randomUUID()];
    const student = await enter(stays, session, "student");
    await enter(stays, shared, "teacher");
    // Who has just come could be one who is sent away, and quicker than what is said of it.
    await leasesLater(1);
    for (let i = 0; i < FILLERS; i++) await enter(goes, randomUUID(), "teacher");
    const teacher = await enter(goes, session, "teacher");
    const colleague = await enter(goes, shared, "teacher");
    await student.inbox.next(hears(true));
    await drain();
    await Promise.all([teacher.close(), colleague.close()]);
    // Redis has been told that they left.
    for (const one of [session, shared]) {
      await eventually(async () => (await it.onTheirWay(one)) === 1);
    }
    await happen(it);
    // Whoever would take it out has had the time to.
    await leasesLater(3);
    t.strictSame(await told(session, student), [true]);
    t.equal((await members(shared)).length, 2, "and one who is there anyway takes nobody's place");
    const back = await enter(stays, session, "teacher");
    t.equal((await members(session)).length, 1, "in the place of who was there");
    await back.close();
    await student.inbox.next(hears(false));
    t.strictSame(await told(session, student), [true, false]);
  });
}
