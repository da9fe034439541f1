import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import type { Test } from "tap";
import type { Emitter } from "@inthon/emitter";
import { parseOffset, ROLES, type Role } from "@inthon/emitter/protocol";
import { eventually } from "../../helpers/eventually.js";
import { join } from "../../helpers/clients/clients.js";
import { failureOf, untyped, type Target } from "./emitter-targets.js";
import {
  NO_OBJECTS,
  WRONG_EMITS,
  WRONG_OPTIONS,
  WRONG_SESSIONS,
} from "../../helpers/samples/wrong-events.js";

const IMPORTANT = { event: "important", note: "n", capture_url: null } as const;
const LIKES = { event: "question_like_update", question_id: 1, like_count: 1 } as const;
const FEEDBACK = { event: "feedback", feedback_type: "OK" } as const;
/** As promised, not as built. */
const MAX_EVENT_BYTES = 64 * 1024;
const END = { question_id: 0, like_count: 0 };
const AT = "2025-11-15T12:34:56.789Z";

/** What every emitter promises, whatever it is connected to. */
export async function testEmitterContract(t: Test, target: Target): Promise<void> {
  const emitter = await target.connect();
  t.teardown(() => emitter.close());
  const listen = (t: Test, session: string, role: Role) =>
    listenTo(t, { url: target.server.url, session, role, emitter });

  await t.test("resolves with the event's place in each room that it went to", async (t) => {
    const session = randomUUID();
    const { inbox } = await listen(t, session, "student");
    const first = await emitter.emit(session, "hard_alert", { capture_url: null });
    const forTeacher = await emitter.emit(session, "feedback", { feedback_type: "OK" });
    const second = await emitter.emit(session, "important", { note: "", capture_url: null });
    const last = await emitter.emit(session, "session_ended");
    const results = [first, forTeacher, second, last];
    t.strictSame(
      results.map(({ offsets, duplicate }) => [Object.keys(offsets).sort(), duplicate]),
      [["student", "teacher"], ["teacher"], ["student"], ["student", "teacher"]].map((roles) => [
        roles,
        false,
      ]),
    );
    const places = results.map(({ offsets }) => parseOffset(offsets.student)?.n);
    t.strictSame(places, [1, undefined, 2, 3]);
    t.strictSame(
      results.map(({ offsets }) => parseOffset(offsets.teacher)?.n),
      [1, 2, undefined, 3],
    );
    await inbox.next(({ event }) => event === "session_ended");
    const told = inbox.items.slice(1).map(({ offset }) => offset);
    t.strictSame(told, [first.offsets.student, second.offsets.student, last.offsets.student]);
  });

  await t.test("publishes once under one key, however often it is called", async (t) => {
    const [session, other] = [randomUUID(), randomUUID()];
    const { received } = await listen(t, session, "teacher");
    const payload = { feedback_type: "HARD", created_at: AT } as const;
    const options = { idempotencyKey: `!~${"k".repeat(198)}` };
    const calls = [1, 2, 3, 4].map(() => emitter.emit(session, "feedback", payload, options));
    const results = await Promise.all(calls);
    const [{ offsets } = { offsets: undefined }] = results;
    t.same(
      results.map((result) => result.offsets),
      [offsets, offsets, offsets, offsets],
    );
    t.equal(results.filter(({ duplicate }) => !duplicate).length, 1);
    const changed = { feedback_type: "OK" } as const;
    const again = await emitter.emit(session, "feedback", changed, options);
    t.same(again, { offsets, duplicate: true });
    const elsewhere = await emitter.emit(other, "feedback", payload, options);
    t.equal(elsewhere.duplicate, false, "a key is known in its session alone");
    t.strictSame(await received(), [JSON.stringify({ event: "feedback", ...payload })]);
  });

  await t.test("publishes an array in its order, each event under a key of its own", async (t) => {
    const session = randomUUID();
    const { received } = await listen(t, session, "student");
    const notes = Array.from({ length: 30 }, (_, i) => ({ ...IMPORTANT, note: String(i) }));
    const events = notes.flatMap((event) => [{ ...event, created_at: AT }, FEEDBACK, LIKES]);
    const options = { idempotencyKey: "lecture-1" };
    const results = await emitter.emitAll(session, events, options);
    const places = (role: Role) =>
      results.flatMap(({ offsets }) => parseOffset(offsets[role])?.n ?? []);
    t.strictSame(
      places("student"),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    t.strictSame(
      places("teacher"),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    t.ok(results.every(({ duplicate }) => !duplicate));

    const again = await emitter.emitAll(session, events, options);
    t.same(
      again,
      results.map(({ offsets }) => ({ offsets, duplicate: true })),
    );
    const longer = await emitter.emitAll(session, [...events, FEEDBACK], options);
    t.strictSame(
      longer.map(({ duplicate }) => duplicate),
      [...events.map(() => true), false],
    );
    const alone = await emitter.emit(
      session,
      "important",
      { note: "", capture_url: null },
      options,
    );
    t.equal(alone.duplicate, true, "the first event has the key as it is");
    t.strictSame(await emitter.emitAll(session, []), []);

    const expected = events
      .filter(({ event }) => event !== "feedback")
      .map(({ event, ...payload }) => JSON.stringify({ event, ...payload }));
    t.strictSame(await received(), expected);
  });

  await t.test("refuses what is wrong before anything is published", async (t) => {
    const session = randomUUID();
    const { received } = await listen(t, session, "student");
    const loose = untyped(emitter);
    const refused = { name: "EmitterError", retryable: false, idempotencyKey: undefined };
    for (const [args, paths] of WRONG_EMITS) {
      const expected = { ...refused, code: "invalid_event", paths };
      t.strictSame(await failureOf(loose.emit(session, ...args)), expected, JSON.stringify(args));
      if (paths[0] === "") continue;
      const inArray = [LIKES, { ...(args[1] as object), event: args[0] }];
      const expectedPaths = paths.map((path) => `/1${path}`);
      const failure = await failureOf(loose.emitAll(session, inArray));
      t.strictSame(failure, { ...expected, paths: expectedPaths }, "in an array");
    }
    for (const event of NO_OBJECTS) {
      t.match(await failureOf(loose.emitAll(session, [event])), {
        code: "invalid_event",
        paths: ["/0"],
      });
    }
    for (const wrong of WRONG_SESSIONS) {
      const expected = { ...refused, code: "invalid_session_id", paths: [] };
      t.strictSame(
        await failureOf(loose.emit(wrong, "session_ended")),
        expected,
        JSON.stringify(wrong),
      );
    }
    for (const options of WRONG_OPTIONS) {
      const expected = { ...refused, code: "invalid_option", paths: [] };
      const failure = await failureOf(loose.emit(session, "session_ended", {}, options));
      t.strictSame(failure, expected, inspect(options));
    }
    t.strictSame(await received(), []);
  });

  await t.test("takes an event of 64 KiB, and none that is longer", async (t) => {
    const session = randomUUID();
    const { received } = await listen(t, session, "student");
    const json = (note: string) =>
      JSON.stringify({ event: "important", note, capture_url: null, created_at: AT });
    const room = MAX_EVENT_BYTES - json("").length;
    const notes = ["a".repeat(room), `${"한".repeat(Math.floor(room / 3))}${"a".repeat(room % 3)}`];
    for (const note of notes) {
      const payload = { capture_url: null, created_at: AT };
      await emitter.emit(session, "important", { note, ...payload });
      const longer = emitter.emit(session, "important", { note: `${note}a`, ...payload });
      t.match(await failureOf(longer), { code: "event_too_large", retryable: false });
    }
    t.strictSame(await received(), notes.map(json));
  });

  await t.test(
    "fills in the time of publishing, and changes nothing that it was given",
    async (t) => {
      const session = randomUUID();
      const { received } = await listen(t, session, "student");
      const given = Object.freeze({ note: "", capture_url: null });
      const before = new Date().toISOString();
      await emitter.emit(session, "important", given);
      const after = new Date().toISOString();
      t.strictSame(given, { note: "", capture_url: null });
      const kept = ["2025-11-15T21:34:56.789012345+09:00", "2024-02-29T23:59Z"];
      await emitter.emitAll(
        session,
        kept.map((created_at) => Object.freeze({ ...IMPORTANT, created_at })),
      );
      // Another event's name in a payload that nobody's types have checked.
      await untyped(emitter).emit(session, "teacher_presence", {
        event: "x",
        is_online: true,
        changed_at: AT,
      });
      const events = (await received()).map((json) => JSON.parse(json) as Record<string, string>);
      const [filled = "", ...others] = events.map((event) => event["created_at"]);
      t.match(filled, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      t.ok(before <= filled && filled <= after, `${before} <= ${filled} <= ${after}`);
      t.strictSame(others, [...kept, undefined]);
      t.strictSame(events.at(-1), { event: "teacher_presence", is_online: true, changed_at: AT });
    },
  );

  await t.test("waits for what is away, and says so when it waited in vain", async (t) => {
    const [session, other] = [randomUUID(), randomUUID()];
    const payload = { capture_url: "/a" };
    target.backend.kill("SIGKILL");
    await target.backend.exited;
    const inVain = emitter.emit(session, "hard_alert", payload, { timeoutMs: 300 });
    const failure = await failureOf(inVain);
    t.match(failure, { name: "EmitterError", code: "unavailable", retryable: true });
    const { idempotencyKey = "" } = failure;
    t.match(idempotencyKey, /^[\x21-\x7e]{1,200}$/);
    const given = { timeoutMs: 300, idempotencyKey: "mine" };
    const failureOfAll = await failureOf(emitter.emitAll(other, [LIKES, FEEDBACK], given));
    t.match(failureOfAll, { code: "unavailable", retryable: true, idempotencyKey: "mine" });

    const patient = { timeoutMs: 20_000, idempotencyKey };
    const call = emitter.emit(session, "hard_alert", payload, patient);
    await target.backend.restart();
    const { offsets } = await call;
    // Nobody waits for the first call any more, but it may still be on its way: it has the same key.
    const again = await emitter.emit(session, "hard_alert", payload, { idempotencyKey });
    t.same(again, { offsets, duplicate: true });
    const { student, teacher } = offsets;
    t.strictSame([parseOffset(student)?.n, parseOffset(teacher)?.n], [1, 1]);
    // It finds its way back by itself, perhaps later than the emitter.
    await eventually(async () => (await fetch(`${target.server.url}/readyz`)).ok);
    for (const role of ROLES) {
      const names = await historyOf(target.server.url, session, role);
      t.strictSame(names, ["hard_alert"], `${role}: exists once`);
    }
  });

  await t.test("is closed once closed, also for those that still wait", async (t) => {
    const mine = await target.connect();
    await mine.emit(randomUUID(), "session_ended");
    target.backend.pause();
    const waiting = [1, 2].map(() => failureOf(mine.emit(randomUUID(), "session_ended")));
    const closing = mine.close();
    const late = failureOf(mine.emit(randomUUID(), "session_ended"));
    for (const failure of [...(await Promise.all(waiting)), await late]) {
      t.match(failure, { name: "EmitterError", code: "closed", retryable: false });
    }
    target.backend.resume();
    await closing;
    await mine.close();
    const failure = await failureOf(mine.emit(randomUUID(), "session_ended"));
    t.match(failure, { code: "closed" });
    t.match(
      await emitter.emit(randomUUID(), "session_ended"),
      { duplicate: false },
      "another is not",
    );
  });
}

interface Listening {
  readonly url: string;
  readonly session: string;
  readonly role: Role;
  readonly emitter: Emitter;
}

/** A client, and what it has received when everything published so far has come. */
export async function listenTo(t: Test, { emitter, ...options }: Listening) {
  const client = await join({ ...options, kind: "websocket" });
  t.teardown(() => client.close());
  const { inbox } = client;
  return {
    inbox,
    received: async (): Promise<readonly string[]> => {
      await emitter.emit(options.session, "question_like_update", END);
      await inbox.next(({ object }) => object["question_id"] === END.question_id);
      return inbox.items.slice(1, -1).map(({ json }) => json);
    },
  };
}

/** The names of the events in a room's history. */
async function historyOf(url: string, session: string, role: Role): Promise<readonly string[]> {
  const response = await fetch(`${url}/sessions/${session}/events?role=${role}`);
  const { events } = (await response.json()) as { events: { event: { event: string } }[] };
  return events.map(({ event }) => event.event);
}
