import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t from "tap";
import { connect } from "@inthon/emitter";
import { historyKey, parseOffset, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

for (const who of ["the same publisher", "another one"]) {
  for (const way of ["under keys of its own", "under given keys"]) {
    void t.test(
      `a history that comes back under its old name gives no number twice: ${who}, ${way}`,
      async (t) => {
        const redis = await startRedis();
        t.teardown(() => redis.stop());
        const admin = createClient({ url: redis.url });
        await admin.connect();
        t.teardown(() => {
          admin.destroy();
        });
        const server = await startServer({ env: { REDIS_URL: redis.url } });
        t.teardown(() => server.stop());
        const session = randomUUID();
        const id = parseSessionId(session);
        if (!id) throw new Error("a session id");
        const history = historyKey(roomName(id, "student"));
        const students = await Promise.all(
          CLIENT_KINDS.map((kind) => join({ url: server.url, session, role: "student", kind })),
        );
        t.teardown(() => Promise.all(students.map((student) => student.close())));
        const first = await connect(redis.url);
        t.teardown(() => first.close());
        const other = await connect(redis.url);
        t.teardown(() => other.close());
        const offsets: string[] = [];
        const say = async (note: string, emitter = first) => {
          const result = await emitter.emit(
            session,
            "important",
            { note, capture_url: null },
            way === "under given keys" ? { idempotencyKey: randomUUID() } : {},
          );
          offsets.push(result.offsets.student ?? "");
        };

        for (const note of ["a1", "a2", "a3", "a4", "a5"]) await say(note);
        await admin.rename(history, "away");
        for (const note of ["b1", "b2", "b3"]) await say(note);
        await admin.rename("away", history);
        const publisher = who === "the same publisher" ? first : other;
        const afterwards = ["c1", "c2", "c3", "c4", "c5"];
        for (const note of afterwards) await say(note, publisher);

        t.strictSame([...new Set(offsets)], offsets, "no number is given twice");
        t.ok(offsets.every((offset) => (parseOffset(offset)?.n ?? 0) > 0));
        const ids = ((await admin.xRange(history, "-", "+")) ?? []).map(({ id }) => id);
        t.strictSame(
          ids.map((id) => parseOffset(id)?.n),
          ids.map((_, i) => i + 1),
          "its numbers have no hole",
        );
        t.strictSame(ids.slice(-5), offsets.slice(-5));
        for (const { inbox, closed, kind } of students) {
          const heardAll = inbox.next(({ object }) => object["note"] === "c5").then(() => "heard");
          if ((await Promise.race([heardAll, closed])) !== "heard") {
            t.pass(`${kind}: is told to begin anew`);
            continue;
          }
          const notes = inbox.items.map(({ object }) => object["note"]).filter(Boolean);
          t.strictSame(notes.slice(-5), afterwards, `${kind}: hears all`);
          t.strictSame([...new Set(notes)], notes, `${kind}: each once`);
        }
      },
    );
  }
}
