import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";

void t.test(
  "what a silent subscription missed is read, and nobody is told wrong things",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const proxy = await startTcpProxy(redis.port);
    t.teardown(() => proxy.stop());
    const hung = await startServer({ env: { REDIS_URL: proxy.url } });
    t.teardown(() => hung.stop());
    const other = await startServer({ env: { REDIS_URL: redis.url } });
    t.teardown(() => other.stop());
    for (const { url } of [hung, other]) {
      await eventually(async () => (await fetch(`${url}/readyz`)).ok);
    }
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());
    const session = randomUUID();
    const teacher = await join({ url: hung.url, session, role: "teacher", kind: "plain" });
    t.teardown(() => teacher.close());
    const students = await Promise.all(
      [hung, other].flatMap(({ url }) =>
        CLIENT_KINDS.map((kind) => join({ url, session, role: "student", kind })),
      ),
    );
    t.teardown(() => Promise.all(students.map((student) => student.close())));

    const notes: string[] = [];
    const say = async (note: string) => {
      notes.push(note);
      await emitter.emit(session, "important", { note, capture_url: null });
    };
    await say("before");
    for (const link of ["subscriptions", "commands"] as const) {
      for (const directions of [["answers"], ["requests"]] as const) {
        await t.test(`${link}, ${directions[0]}`, async (t) => {
          t.equal(proxy.hang({ link, directions }), 1);
          for (let i = 0; i < 5; i++) await say(`${link}, ${directions[0]}: ${i}`);
          await eventually(async () => (await fetch(`${hung.url}/readyz`)).status === 503);
          await say(`${link}, ${directions[0]}: later`);
          await eventually(async () => (await fetch(`${hung.url}/readyz`)).ok);
          await say(`${link}, ${directions[0]}: afterwards`);
          for (const { inbox, kind } of students) {
            await inbox.until((items) =>
              items.some(({ object }) => object["note"] === notes.at(-1)),
            );
            const heard = inbox.items.filter(({ event }) => event === "important");
            t.strictSame(
              heard.map(({ object }) => object["note"]),
              notes,
              `${kind}: each once, in order`,
            );
          }
        });
      }
    }
    for (const { inbox, kind } of students) {
      t.strictSame(
        inbox.items.filter(({ event }) => event === "teacher_presence" || event === "connected")
          .length,
        1,
        `${kind}: stayed connected, and the teacher was there all the time`,
      );
    }
    const newcomer = await join({ url: hung.url, session, role: "student", kind: "plain" });
    t.teardown(() => newcomer.close());
    t.equal((await newcomer.connected).teacher_online, true);
  },
);
