import t, { type Test } from "tap";
import { epochsKey, parseOffset, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { comeBack, KEPT, notes, open, sayNew, type Opened } from "./helpers/returning-redis.js";

async function checkLoss(t: Test, opened: Opened, fresh: readonly string[]): Promise<void> {
  const { second, session, stayer, offsets } = opened;
  t.notOk(
    fresh.some((offset) => offsets.includes(offset)),
    "no number is given twice",
  );
  await stayer.recovered.until(({ length }) => length > 1);
  t.equal(stayer.recovered.items[1], false, "who had stayed is told that something was lost");

  const atLost = await comeBack(t, second, session, offsets.at(-1) ?? "");
  t.notOk(atLost.isRecovered, "who comes back from a lost place is told so");
  const atKept = await comeBack(t, second, session, offsets[KEPT - 1] ?? "");
  t.ok(atKept.isRecovered, "who comes back from a place that was kept goes on there");
  await atKept.inbox.next(({ note }) => note === "new 8");
  t.strictSame(notes(atKept.inbox), ["new 6", "new 7", "new 8"]);
}

void t.test("a publisher comes first to a Redis that came back older", async (t) => {
  const opened = await open(t, {});
  for (const replica of opened.cluster.replicas) replica.pause();
  await opened.restart();
  const fresh = await sayNew(opened);
  for (const replica of opened.cluster.replicas) replica.resume();
  await checkLoss(t, opened, fresh);
});

void t.test("a replica comes first to a Redis that came back older", async (t) => {
  const opened = await open(t, {});
  await opened.restart();
  await opened.isReady();
  await opened.stayer.recovered.until(({ length }) => length > 1);
  const fresh = await sayNew(opened);
  await checkLoss(t, opened, fresh);
  await opened.stayer.heard.next(({ note }) => note === "new 8");
});

void t.test("a client comes first to a Redis that came back older", async (t) => {
  const opened = await open(t, {});
  const { second, session, offsets } = opened;
  await opened.restart();
  const client = await comeBack(t, second, session, offsets.at(-1) ?? "");
  t.notOk(client.isRecovered);
  const fresh = await sayNew(opened);
  await client.inbox.next(({ note }) => note === "new 8");
  t.strictSame(notes(client.inbox), ["new 6", "new 7", "new 8"]);
  await checkLoss(t, opened, fresh);
});

void t.test("where nothing was lost, everybody goes on, over any number of restarts", async (t) => {
  const opened = await open(t, { appendOnly: true, args: ["--appendfsync", "always"] });
  const { second, session, stayer, offsets, emitter } = opened;
  const said = [...offsets];
  for (const round of [1, 2, 3]) {
    await opened.restart();
    said.push(await opened.say(emitter, `after restart ${String(round)}`));
  }
  t.equal(new Set(said).size, said.length);
  t.strictSame(
    said.map((offset) => parseOffset(offset)?.n),
    said.map((_, i) => i + 1),
    "numbers count on",
  );
  t.equal(new Set(said.map((offset) => parseOffset(offset)?.epoch)).size, 4);
  await stayer.heard.until(({ length }) => length === said.length);
  t.strictSame(
    stayer.heard.items.map(({ offset }) => offset),
    said,
    "who had stayed has heard all of it, once, in order",
  );
  t.notOk(stayer.recovered.items.slice(1).includes(false));
  for (const [i, offset] of said.entries()) {
    const { isRecovered, inbox } = await comeBack(t, second, session, offset);
    t.ok(isRecovered, `from ${offset}`);
    await inbox.until(({ length }) => length >= said.length - i);
    t.strictSame(
      inbox.items.slice(1).map((event) => event["offset"]),
      said.slice(i + 1),
    );
  }
});

void t.test("a history of more epochs than are remembered is read as far as they go", async (t) => {
  const opened = await open(t, { appendOnly: true, args: ["--appendfsync", "always"] });
  const { second, session, redis, emitter, offsets } = opened;
  const id = parseSessionId(session);
  if (!id) throw new Error("a session id");
  // As many events as are read at once, in an epoch of which nobody remembers where it ended.
  const fill = Array.from({ length: 600 }, (_, i) => `fill ${String(i)}`);
  for (let i = 0; i < fill.length; i += 100) {
    const events = fill
      .slice(i, i + 100)
      .map((note) => ({ event: "important", note, capture_url: null }) as const);
    await emitter.emitAll(session, events);
  }
  await opened.restart();
  const said = [await opened.say(emitter, "one"), await opened.say(emitter, "two")];
  const key = epochsKey(roomName(id, "student"));
  const admin = redis.at(key);
  await admin.set(key, (await admin.get(key))?.replace(/ \d+:\d+/, "") ?? "");
  const { isRecovered, inbox } = await comeBack(t, second, session, said[0] ?? "");
  t.ok(isRecovered);
  await inbox.next(({ note }) => note === "two");
  t.notOk((await comeBack(t, second, session, offsets[0] ?? "")).isRecovered);
});

void t.test("a call that was not answered is not published again after a restart", async (t) => {
  const { session, emitter, restart, stayer } = await open(t, {
    appendOnly: true,
    args: ["--appendfsync", "always"],
  });
  const emit = (note: string, idempotencyKey: string) =>
    emitter.emit(session, "important", { note, capture_url: null }, { idempotencyKey });
  const before = await emit("once", "given");
  await restart();
  // Another event begins the new epoch.
  await emit("another", "other");
  const after = await emit("once", "given");
  t.strictSame(after, { ...before, duplicate: true });
  await stayer.heard.next(({ note }) => note === "another");
  t.equal(stayer.heard.items.filter(({ note }) => note === "once").length, 1);
});
