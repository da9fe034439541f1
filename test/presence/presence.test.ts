import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { CLIENT_KINDS, join, type Client, type Received } from "../helpers/clients/clients.js";
import { ENVIRONMENTS, type Environment } from "../helpers/processes/environments.js";
import { eventually } from "../helpers/eventually.js";

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`presence of the teacher, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    const url = (index: number) => environment.urls[index % environment.urls.length] ?? "";
    const scard = cardOf(environment);

    for (const kind of CLIENT_KINDS) {
      await t.test(`students hear each change once (${kind})`, async (t) => {
        const session = randomUUID();
        const open = opener(t);
        const students = await Promise.all(
          [0, 1, 2].map((i) => open({ url: url(i), session, role: "student", kind })),
        );

        const first = await open({ url: url(0), session, role: "teacher", kind });
        await scard(session, 1);
        const second = await open({ url: url(1), session, role: "teacher", kind });
        await scard(session, 2);
        t.equal((await first.connected).teacher_online, false, "a teacher is always told false");
        t.equal((await second.connected).teacher_online, false);

        await first.close();
        await scard(session, 1);
        const late = await open({ url: url(2), session, role: "student", kind });
        t.equal((await late.connected).teacher_online, true);

        await second.close();
        await late.inbox.next(({ event }) => event === "teacher_presence");
        // Comes after whatever was announced, in every room's order.
        await environment.emitter.emit(session, "important", { note: "end", capture_url: null });
        for (const student of students) {
          await student.inbox.next(({ event }) => event === "important");
          t.equal((await student.connected).teacher_online, false);
          t.strictSame(told(student), [true, false]);
        }
        await late.inbox.next(({ event }) => event === "important");
        t.strictSame(told(late), [false]);
        const after = await open({ url: url(1), session, role: "student", kind });
        t.equal((await after.connected).teacher_online, false);
      });
    }

    await t.test("GET /sessions/:session_id counts both roles over all replicas", async (t) => {
      const session = randomUUID();
      const open = opener(t);
      await describes(url(0), session, { teacher_online: false, teacher: 0, student: 0 });
      const teacher = await open({ url: url(0), session, role: "teacher", kind: "plain" });
      await Promise.all(
        [0, 1, 2].map((i) => open({ url: url(i), session, role: "student", kind: "websocket" })),
      );
      for (const i of [0, 1, 2]) {
        await describes(url(i), session, { teacher_online: true, teacher: 1, student: 3 });
      }
      await teacher.close();
      await describes(url(1), session, { teacher_online: false, teacher: 0, student: 3 });
    });
  });
}

function opener(t: Test) {
  return async (options: Parameters<typeof join>[0]): Promise<Client> => {
    const client = await join(options);
    t.teardown(() => client.close());
    return client;
  };
}

function told({ inbox }: Client): unknown[] {
  const isPresence = ({ event }: Received) => event === "teacher_presence";
  return inbox.items.filter(isPresence).map(({ object }) => object["is_online"]);
}

/** Waits until the session has this many teachers, as any other service would see it. */
function cardOf({ redis, urls }: Environment) {
  if (!redis) {
    return (session: string, count: number) =>
      describes(urls[0] ?? "", session, { teacher_online: count > 0, teacher: count, student: 3 });
  }
  return (session: string, count: number) => {
    const key = `session:${session}:teachers`;
    return eventually(async () => (await redis.at(key).sCard(key)) === count);
  };
}

async function describes(
  url: string,
  session: string,
  { teacher_online, teacher, student }: Record<string, unknown>,
): Promise<void> {
  const expected = JSON.stringify({
    session_id: session,
    teacher_online,
    connections: { teacher, student },
  });
  let last = "";
  await eventually(async () => {
    const response = await fetch(`${url}/sessions/${session}`);
    last = await response.text();
    return last === expected;
  }).catch((error: unknown) => {
    throw new Error(`expected ${expected}, got ${last}`, { cause: error });
  });
}
