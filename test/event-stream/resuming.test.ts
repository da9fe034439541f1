import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import type { Role } from "@inthon/emitter/protocol";
import { EventStream, type StreamedEvent } from "../helpers/clients/event-stream.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 3;

async function start(t: Test, env: Readonly<Record<string, string>> = {}) {
  const cluster = await startCluster({ replicas: 2, env: { PRESENCE_WINDOW_MS: "0", ...env } });
  t.teardown(() => cluster.stop());
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const at = (role: Role, query = "") => `/ws/session/${session}/${role}/${query}`;
  /** Comes to a replica, as an EventSource that has stopped there. */
  const open = async (
    replica: number,
    lastEventId?: string,
    { role = "student", query = "" }: { role?: Role; query?: string } = {},
  ) => {
    const { url } = cluster.replica(replica);
    const stream = await EventStream.open(url, at(role, query), { lastEventId });
    t.teardown(() => {
      stream.close();
    });
    return stream;
  };
  const say = async (note: string) => {
    const { offsets } = await emitter.emit(session, "important", { note, capture_url: null });
    return offsets.student ?? "";
  };
  return { cluster, emitter, session, open, say };
}

const isNote = (note: string) => (event: StreamedEvent) => noteOf(event) === note;

function noteOf({ data }: StreamedEvent): string | undefined {
  return (JSON.parse(data) as { note?: string }).note;
}

/** The notes that it was told, in order. */
function notesOf({ events }: EventStream): readonly string[] {
  return events.items.flatMap((event) => noteOf(event) ?? []);
}

void t.test(
  "the header is newer than the URL, which says the same where there is none",
  async (t) => {
    const { open, say } = await start(t);
    const [a, b] = [await say("a"), await say("b")];
    await say("c");
    for (const [lastEventId, query, missed] of [
      [undefined, `?offset=${a}`, ["b", "c"]],
      [b, `?offset=${a}`, ["c"]],
      [a, "?offset=1-1", ["b", "c"]],
      [b, "", ["c"]],
    ] as const) {
      const stream = await open(0, lastEventId, { query });
      await stream.events.next(isNote("c"));
      t.strictSame(notesOf(stream), missed, `${String(lastEventId)} ${query}`);
      stream.close();
    }
  },
);

void t.test("whose place history does not reach is told so, and gets no part of it", async (t) => {
  const { open, say } = await start(t, { HISTORY_LIMIT: "5" });
  const old = await say("0");
  let newest = "";
  for (let i = 1; i <= 20; i++) newest = await say(String(i));
  for (const lastEventId of [old, "1-1", "9999999999999-1", "no offset", `${newest}0`]) {
    const stream = await open(1, lastEventId);
    const connected = await stream.events.next();
    t.equal(connected.event, "connected", lastEventId);
    t.equal(connected.id, newest, "another place than its own");
    newest = await say(`after ${lastEventId}`);
    await stream.events.next(isNote(`after ${lastEventId}`));
    t.equal(stream.events.items.length, 2);
    stream.close();
  }
});

void t.test("who drops again and again under load misses nothing, doubled or not", async (t) => {
  const { cluster, open, emitter, session, say } = await start(t);
  const visitors = Array.from({ length: 4 }, async (_, index) => {
    const heard: string[] = [];
    let lastEventId: string | undefined;
    for (let visit = 0; !heard.includes("end"); visit++) {
      const stream = await open((index + visit) % 2, lastEventId);
      // Some events more, each time, so that it stops in the middle of what comes at once.
      const enough = 5 + ((visit * 7) % 40);
      await stream.events.until(
        (items) => items.length > enough || items.some((event) => noteOf(event) === "end"),
      );
      stream.close();
      await stream.ended;
      const notes = notesOf(stream);
      if (visit > 0) t.equal(stream.events.items[0]?.id, lastEventId, "it resumes");
      heard.push(...notes);
      lastEventId = stream.lastEventId;
    }
    return heard;
  });
  const { url } = cluster.replica(0);
  await eventually(async () => {
    const state = await (await fetch(`${url}/sessions/${session}`)).text();
    return state.includes('"student":4');
  });
  const published: string[] = [];
  for (let burst = 0; burst < 40; burst++) {
    const notes = Array.from({ length: 20 }, (_, i) => `${String(burst)}.${String(i)}`);
    published.push(...notes);
    await emitter.emitAll(
      session,
      notes.map((note) => ({ event: "important", note, capture_url: null }) as const),
    );
  }
  await say("end");
  for (const heard of await Promise.all(visitors)) t.strictSame(heard, [...published, "end"]);
});

void t.test("whoever has heard the end of the session is told to stay away", async (t) => {
  const { cluster, open, emitter, session, say } = await start(t);
  const teacher = await open(0, undefined, { role: "teacher" });
  await teacher.events.next();
  const student = await open(1);
  const connected = await student.events.next();
  t.match(connected.data, '"teacher_online":true');
  await say("last");
  await emitter.emit(session, "session_ended");
  for (const stream of [teacher, student]) {
    await stream.ended;
    t.equal(stream.events.items.at(-1)?.event, "session_ended", "nothing is told behind it");
  }
  // What is told of the teacher who has been sent away stands behind the end.
  const { url } = cluster.replica(0);
  const historyEnd = async () =>
    (await fetch(`${url}/sessions/${session}/events?role=student`)).text();
  await eventually(async () => (await historyEnd()).includes('"is_online":false'));

  for (const [stream, role] of [
    [teacher, "teacher"],
    [student, "student"],
  ] as const) {
    for (const replica of [0, 1]) {
      const back = await open(replica, stream.lastEventId, { role });
      await back.ended;
      t.equal(back.status, 204, `${role}, ${String(replica)}`);
      t.equal(back.text, "");
      const byUrl = await open(replica, undefined, {
        role,
        query: `?offset=${stream.lastEventId}`,
      });
      t.equal(byUrl.status, 204);
    }
  }
  const away = await open(1, connected.id);
  await away.ended;
  t.strictSame(
    away.events.items.map(({ event }) => event),
    ["connected", "important", "session_ended"],
    "who was away is told of it first",
  );
  t.equal((await open(0, away.lastEventId)).status, 204);

  // The session's id may be used again.
  const anew = await open(0);
  await anew.events.next();
  await say("again");
  await anew.events.next(isNote("again"));
  t.equal((await open(1, student.lastEventId)).status, 204, "it stays away all the same");
  await eventually(async () => {
    const state = await (await fetch(`${url}/sessions/${session}`)).text();
    return state.includes('{"teacher":0,"student":1}');
  });
  const told = (await historyEnd()).split('"is_online"').length - 1;
  t.equal(told, 2, "the teacher has come and gone once, whatever it asked for then");
});
