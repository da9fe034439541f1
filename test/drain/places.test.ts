import { randomUUID } from "node:crypto";
import t from "tap";
import { eventually } from "../helpers/eventually.js";
import { hears, LEASE_MS, openTeaching } from "./helpers/teaching.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 3;

// Replicas take their time to go.
t.setTimeout(180_000);

const HANDOVER_MS = 15_000;
const GRACE_MS = 2_500;

void t.test("nobody takes the place of a teacher who still teaches where all go", async (t) => {
  const it = await openTeaching(t, { DRAIN_SPREAD_MS: "20000", HANDOVER_MS: String(HANDOVER_MS) });
  const { goes, stays, enter, told, members, drain, leasesLater } = it;
  const lectures = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const session = randomUUID();
      const student = await enter(stays, session, "student");
      const teacher = await enter(goes, session, "teacher");
      await student.inbox.next(hears(true));
      return { session, student, teacher };
    }),
  );
  await drain();
  const first = await Promise.race(
    lectures.map(async (lecture) => {
      await lecture.teacher.closed;
      return lecture;
    }),
  );
  // The next one goes in five seconds.
  const others = lectures.filter((lecture) => lecture !== first);
  await Promise.all(
    others.map(async ({ session }) => {
      const secondTab = await enter(stays, session, "teacher");
      await secondTab.close();
      await eventually(async () => (await members(session)).length === 1);
    }),
  );
  for (const { session, student } of others) t.strictSame(await told(session, student), [true]);

  await eventually(async () => (await it.onTheirWay(first.session)) === 1);
  await enter(stays, first.session, "teacher");
  t.equal((await members(first.session)).length, 1, "but of one who has been sent away");
  // Time enough to ask Redis for all that the replica that goes still holds.
  await leasesLater(1);
  t.notMatch(goes.output(), /Redis forgot a teacher/);
});

void t.test(
  "who comes back while the replica that sent it away is without Redis, is there once",
  async (t) => {
    const it = await openTeaching(t, { DRAIN_SPREAD_MS: "8000", HANDOVER_MS: String(HANDOVER_MS) });
    const { goes, stays, link, enter, told, members, drain } = it;
    const session = randomUUID();
    const student = await enter(stays, session, "student");
    await enter(goes, randomUUID(), "student");
    await enter(goes, randomUUID(), "student");
    const teacher = await enter(goes, session, "teacher");
    await student.inbox.next(hears(true));
    link.hangNew();
    link.cut();
    await drain();
    await teacher.close();
    const back = await enter(stays, session, "teacher");
    t.equal((await members(session)).length, 2, "nobody has said that it left");
    link.leadAgain();
    link.cut();
    await eventually(async () => (await members(session)).length === 1);
    await back.close();
    await student.inbox.next(hears(false));
    t.strictSame(await told(session, student), [true, false]);
  },
);

void t.test("a time of grace is not made longer by a drain", async (t) => {
  const open = async (spreadMs: number) => {
    const it = await openTeaching(t, {
      DRAIN_SPREAD_MS: String(spreadMs),
      HANDOVER_MS: String(HANDOVER_MS),
      TEACHER_OFFLINE_GRACE_MS: String(GRACE_MS),
    });
    const session = randomUUID();
    const student = await it.enter(it.stays, session, "student");
    for (let i = 0; i < 4; i++) await it.enter(it.goes, randomUUID(), "student");
    const teacher = await it.enter(it.goes, session, "teacher");
    await student.inbox.next(hears(true));
    await teacher.close();
    return { ...it, session, student };
  };

  await t.test("where the replica goes on for longer than that", async (t) => {
    const { goes, student, session, told, drain } = await open(8_000);
    const leftAt = performance.now();
    await drain();
    await student.inbox.next(hears(false));
    const afterMs = performance.now() - leftAt;
    t.ok(afterMs < HANDOVER_MS - LEASE_MS, `after ${String(afterMs)} ms`);
    t.notMatch(goes.output(), /"closed"/);
    t.strictSame(await told(session, student), [true, false]);
  });

  await t.test("where it has gone sooner, and the teacher has come back before", async (t) => {
    const { goes, stays, student, session, enter, told, members, drain } = await open(0);
    const back = await enter(stays, session, "teacher");
    await drain();
    await goes.exited;
    await eventually(async () => (await members(session)).length === 1);
    await back.close();
    // The other replica has the same time of grace.
    await student.inbox.next(hears(false));
    t.strictSame(await told(session, student), [true, false]);
  });
});
