import { mkdtemp, readdir, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { historyKey, parseOffset, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { comeBack, open } from "./helpers/returning-redis.js";

void t.test("what Redis forgot stays forgotten when Redis brings it back", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "inthon-older-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const args = ["--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];
  // What it cuts off is in the one file of one that is on its own.
  const opened = await open(t, { kind: "standalone", appendOnly: true, args, dir });
  const { first, second, session, emitter, restart, redis, offsets, say, stayer } = opened;
  const kept = offsets.at(-1) ?? "";
  const notes = Array.from({ length: 10 }, (_, i) => `forgotten ${String(i)}`);
  const important = (note: string) => ({ event: "important", note, capture_url: null }) as const;
  const key = { idempotencyKey: "~0123456789abcdef.0" };
  const forgotten = await emitter.emitAll(session, notes.map(important), key);
  // Who has not heard them has lost nothing with them, and is told of no loss.
  await stayer.heard.until(({ length }) => length === offsets.length + notes.length);

  redis.kill("SIGKILL");
  await redis.exited;
  // A replica serves on while Redis is away, and cannot know yet what will be lost.
  const early = await comeBack(t, first, session, forgotten[3]?.offsets.student ?? "");
  await early.inbox.next(({ note }) => note === "forgotten 9");
  const files = await readdir(join(dir, "appendonlydir"));
  const file = join(dir, "appendonlydir", files.find((name) => name.includes("incr")) ?? "");
  // In the middle of the event that was appended last: the transaction around it does not end.
  await truncate(file, (await readFile(file)).lastIndexOf("forgotten 9"));
  await redis.restart();
  const next = await say(emitter, "new");
  t.strictSame(parseOffset(next)?.n, (parseOffset(kept)?.n ?? 0) + 1);
  await restart();
  const last = await say(emitter, "newer");

  const id = parseSessionId(session);
  if (!id) throw new Error("a session id");
  const history = historyKey(roomName(id, "student"));
  const held = await redis.at(history).xRange(history, "-", "+");
  t.ok(
    held?.some((entry) => entry.id === forgotten[0]?.offsets.student),
    "Redis has brought it back",
  );
  // When it reaches Redis again, it tells everybody who had been told otherwise.
  await opened.isReady();
  await stayer.recovered.next((isRecovered) => !isRecovered, 1);
  t.equal(await early.closed, 1012);
  for (const url of [first, second]) {
    const { isRecovered, inbox } = await comeBack(t, url, session, kept);
    t.ok(isRecovered);
    await inbox.until(({ length }) => length >= 3);
    t.strictSame(
      inbox.items.slice(1).map(({ offset }) => offset),
      [next, last],
    );
    t.notOk((await comeBack(t, url, session, forgotten[3]?.offsets.student ?? "")).isRecovered);
    const answer = await fetch(`${url}/sessions/${session}/events?role=student&limit=1000`);
    const { events } = (await answer.json()) as { events: { offset: string }[] };
    t.strictSame(
      events.map(({ offset }) => offset),
      [...offsets, next, last],
    );
  }
  const again = await emitter.emitAll(session, notes.map(important), key);
  t.strictSame(
    again.map(({ duplicate }) => duplicate),
    notes.map(() => false),
    "a call that was forgotten can be repeated",
  );
});
