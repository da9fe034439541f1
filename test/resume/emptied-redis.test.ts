import t from "tap";
import { comeBack, notes, open } from "./helpers/returning-redis.js";

void t.test(
  "of a Redis that is emptied while it runs, who stays misses nothing, and who comes back is told",
  async (t) => {
    const opened = await open(t, {});
    const { cluster, redis, first, second, session, emitter, stayer, say, offsets } = opened;
    const last = offsets.at(-1) ?? "";
    const notice = cluster
      .replica(0)
      .waitForLine((line) => line.includes("Redis has forgotten this replica") || undefined);
    await redis.empty();

    const early = await comeBack(t, first, session, offsets[3] ?? "");
    t.ok(early.isRecovered, "the replica that holds the room still has what was missed");
    await early.inbox.next(({ note }) => note === "old 8");
    const elsewhere = await comeBack(t, second, session, last);
    t.notOk(elsewhere.isRecovered, "nobody else has it");

    const forgotten = cluster
      .replica(0)
      .waitForLine((line) => line.includes("has forgotten this room's history") || undefined);
    const next = await say(emitter, "new");
    t.not(next.split("-")[0], last.split("-")[0], "its publisher sees another epoch");
    await stayer.heard.next(({ note }) => note === "new");
    await forgotten;
    await early.inbox.next(({ note }) => note === "new");
    t.strictSame(notes(early.inbox), [5, 6, 7, 8].map((n) => `old ${String(n)}`).concat("new"));
    const late = await comeBack(t, first, session, last);
    t.notOk(late.isRecovered, "from now on nobody resumes what was before");
    t.ok((await comeBack(t, second, session, next)).isRecovered, "as one does what comes after");
    t.strictSame(stayer.recovered.items, [false], "who stayed was never sent away");
    await notice;
  },
);
