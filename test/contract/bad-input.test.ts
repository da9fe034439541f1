import { randomInt, randomUUID } from "node:crypto";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { EVENT_NAMES } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join, socketIo } from "../helpers/clients/clients.js";
import {
  PLAIN_JUNK,
  POLLING_JUNK,
  randomFrames,
  SOCKET_IO_JUNK,
} from "../helpers/samples/junk-frames.js";
import { HANDSHAKES, rawGet } from "../helpers/clients/raw-http.js";
import { rawPlain, rawSocketIo, type RawConnection } from "../helpers/clients/raw-socket-io.js";
import { startServer } from "../helpers/processes/server-process.js";
import { WRONG_AUTH, WRONG_PATHS } from "../helpers/samples/wrong-addresses.js";
import { goodEvent, wrongEvents } from "../helpers/samples/wrong-events.js";
import { EVENT, JSON_TYPE, post, PROBLEM, REFUSALS } from "../helpers/samples/refusals.js";

const MAX_FRAME_BYTES = 4 * 1024;
const RANDOM_FRAMES = 300;
/** To run with the frames of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));

// Junk is sent quickly here: what that costs is another test's.
const server = await startServer({ env: { MESSAGES_PER_S: "10000", MESSAGES_BURST: "10000" } });
t.teardown(() => server.stop());
const { url } = server;
const pathOf = (session: string) => `/ws/session/${session}/student/`;

for (const [name, { query, headers }] of Object.entries(HANDSHAKES)) {
  void t.test(`nobody gets in by a wrong URL (${name})`, async (t) => {
    for (const path of WRONG_PATHS) {
      const { status, head } = await rawGet(url, `${path}${query}`, headers);
      t.equal(status, 404, path);
      t.match(head, /content-type: application\/problem\+json/i, path);
    }
    const good = name.includes("WebSocket") ? 101 : 200;
    for (const id of ["a", "A_z-09", "a".repeat(64), "teacher", "student"]) {
      for (const role of ["teacher", "student", "teacher/", "student/"]) {
        const path = `/ws/session/${id}/${role}`;
        t.equal((await rawGet(url, `${path}${query}`, headers)).status, good, path);
      }
    }
    const atDefault = await rawGet(url, `/socket.io/${query}`, headers);
    t.equal(atDefault.status, query === "" ? 404 : good, "the default path is Socket.IO's alone");
  });
}

for (const transport of ["websocket", "polling"] as const) {
  void t.test(`the default path asks who connects (${transport})`, async (t) => {
    const open = (auth: unknown, query: Record<string, string> = {}, namespace = "/") => {
      const options = { transports: [transport], forceNew: true, reconnection: false, query };
      const socket = io(`${url}${namespace}`, {
        ...options,
        auth: (send) => {
          send(auth as object);
        },
      });
      t.teardown(() => socket.close());
      return new Promise<unknown>((resolve) => {
        socket.once("connected", resolve);
        socket.once("connect_error", (error) => {
          resolve({ message: error.message, ...(error as { data?: object }).data });
        });
      });
    };
    for (const [auth, code] of WRONG_AUTH) {
      t.match(await open(auth), { code }, JSON.stringify(auth));
      const query = Object.entries(auth ?? {}).filter(([, value]) => typeof value === "string");
      const answer = await open({}, Object.fromEntries(query) as Record<string, string>);
      t.match(answer, { code: /^invalid_(session_id|role)$/ }, "in the query");
    }
    const session_id = randomUUID();
    for (const role of ["teacher", "student"]) {
      const expected = { event: "connected", session_id, role };
      t.match(await open({ session_id, role }), expected, "by auth");
      t.match(await open({}, { session_id, role }), expected, "by query");
      const both = open({ session_id, role }, { session_id: "other", role: "admin" });
      t.match(await both, expected, "auth comes before the query");
    }
    t.match(await open({ session_id, role: "student" }, {}, "/admin"), {
      message: "Invalid namespace",
    });
  });
}

/** Clients of both roles that must hear nothing but what is published at the end. */
async function silence(t: Test, session: string): Promise<() => Promise<void>> {
  const clients = await Promise.all(
    (["teacher", "student"] as const).map((role) =>
      join({ url, session, role, kind: "websocket" }),
    ),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  return async () => {
    const body = JSON.stringify({ event: "question_like_update", question_id: 404, like_count: 0 });
    t.equal((await post(url, { session, body })).status, 202);
    for (const { inbox, role } of clients) {
      await inbox.next(({ json }) => json === body);
      const heard = inbox.items
        .map(({ event }) => event)
        .filter((event) => event !== "teacher_presence");
      t.strictSame(heard, ["connected", "question_like_update"], `the ${role} hears nothing of it`);
    }
  };
}

void t.test(
  "every fault in an event is refused with its path, and nothing is published",
  async (t) => {
    const session = randomUUID();
    const heardNothing = await silence(t, session);
    for (const name of EVENT_NAMES) {
      for (const { event, path } of wrongEvents(name)) {
        const body = JSON.stringify(event);
        const { status, type, code, paths } = await post(url, { session, body });
        const expected = [400, PROBLEM, "invalid_event", [path]];
        t.strictSame([status, type, code, paths], expected, body);
      }
      const array = [goodEvent(name), { ...goodEvent(name), offset: 1 }, goodEvent(name)];
      const { status, paths } = await post(url, { session, body: JSON.stringify(array) });
      t.strictSame([status, paths], [400, ["/1/offset"]], "an array is refused whole");
    }
    await heardNothing();
  },
);

void t.test("a body that holds no event is refused, and nothing is published", async (t) => {
  const session = randomUUID();
  const heardNothing = await silence(t, session);
  for (const [what, request, status, paths] of REFUSALS) {
    const answer = await post(url, { session, ...request });
    t.strictSame([answer.status, answer.type, answer.paths], [status, PROBLEM, paths], what);
  }
  await heardNothing();
});

void t.test("a session id that is none is not found", async (t) => {
  const ids = [
    "a".repeat(65),
    "a.b",
    "a%20b",
    "a%2Fb",
    "%EC%84%B8",
    "a/b",
    "",
    "..%2f",
    "a%00",
    "a%zz",
  ];
  for (const session of ids) {
    const { status, type } = await post(url, { session, body: EVENT });
    t.strictSame([status, type], [404, PROBLEM], session);
  }
});

void t.test("with publish keys, only their holders publish", async (t) => {
  const guarded = await startServer({
    env: { PUBLISH_KEYS: "first-key-of-two, second-key-of-two" },
  });
  t.teardown(() => guarded.stop());
  const wrong = [
    "",
    "Bearer",
    "Bearer first",
    "Bearer first-key-of-two,second-key-of-two",
    "Bearer FIRST-KEY-OF-TWO",
    "first-key-of-two",
  ];
  for (const authorization of [
    undefined,
    ...wrong,
    "Basic first-key-of-two",
    "Bearer first-key-of-two x",
  ]) {
    for (const body of [EVENT, "{"]) {
      const headers = { ...JSON_TYPE, ...(authorization === undefined ? {} : { authorization }) };
      const answer = await post(guarded.url, { body, headers });
      t.strictSame(
        [answer.status, answer.type, answer.code],
        [401, PROBLEM, "unauthorized"],
        authorization ?? "no header",
      );
      t.equal(answer.challenge, "Bearer");
    }
  }
  for (const authorization of ["Bearer first-key-of-two", "bearer second-key-of-two"]) {
    const { status } = await post(guarded.url, {
      body: EVENT,
      headers: { ...JSON_TYPE, authorization },
    });
    t.equal(status, 202, authorization);
  }
});

/** What is sent, to whom, and what may come of it but answers to pings. */
interface JunkTest {
  readonly name: string;
  readonly open: (session: string) => Promise<RawConnection>;
  readonly frames: readonly (string | Buffer)[];
  readonly mayAnswer: RegExp;
}

const RANDOM = randomFrames(SEED, RANDOM_FRAMES);
const openPlain = (session: string) => rawPlain(url, pathOf(session));
const openSocketIo = (session: string) => rawSocketIo(url, pathOf(session));
const JUNK_TESTS: readonly JunkTest[] = [
  { name: "a plain connection", open: openPlain, frames: PLAIN_JUNK, mayAnswer: /^$/ },
  { name: "a plain connection, at random", open: openPlain, frames: RANDOM, mayAnswer: /^$/ },
  // A namespace that is not there may be refused.
  {
    name: "a Socket.IO connection",
    open: openSocketIo,
    frames: SOCKET_IO_JUNK,
    mayAnswer: /^44\//,
  },
  {
    name: "a Socket.IO connection, at random",
    open: openSocketIo,
    frames: RANDOM,
    mayAnswer: /^44\//,
  },
];

/** What a test is called: TAP takes U+2028 and U+2029 for the end of a line. */
function inAscii(text: string): string {
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}

for (const { name, open, frames, mayAnswer } of JUNK_TESTS) {
  void t.test(`junk is ignored on ${name}`, async (t) => {
    t.comment(`FC_SEED=${String(SEED)}`);
    const session = randomUUID();
    const bystanders = await Promise.all(
      CLIENT_KINDS.map((kind) => join({ url, session, role: "student", kind })),
    );
    let sender = await open(session);
    t.teardown(() => Promise.all([sender, ...bystanders].map((client) => client.close())));
    for (const [index, frame] of frames.entries()) {
      const from = sender.frames.items.length;
      sender.send(frame);
      const what = inAscii(JSON.stringify(String(frame).slice(0, 80)));
      try {
        await sender.answersPing();
      } catch (error) {
        t.fail(`frame ${String(index)}, ${what}: ${String(error)}`);
        sender = await open(session);
        continue;
      }
      const answers = sender.frames.items
        .slice(from)
        .filter((answer) => !answer.includes('"pong"'));
      t.strictSame(
        answers.filter((answer) => !mayAnswer.test(answer)),
        [],
        what,
      );
    }
    t.equal((await post(url, { session, body: EVENT })).status, 202);
    await sender.frames.next((frame) => frame.includes('"event":"hard_alert"'));
    for (const { inbox, kind } of bystanders) {
      await inbox.next(({ event }) => event === "hard_alert");
      t.strictSame(
        inbox.items.map(({ event }) => event),
        ["connected", "hard_alert"],
        kind,
      );
    }
  });
}

void t.test("junk is ignored on a polling connection", async (t) => {
  const session = randomUUID();
  const bystander = await join({ url, session, role: "student", kind: "polling" });
  t.teardown(() => bystander.close());
  const socket = socketIo(
    { url, session, role: "student", kind: "polling" },
    { reconnection: false },
  );
  t.teardown(() => socket.close());
  const heard = (event: "connected" | "hard_alert" | "disconnect") =>
    new Promise((resolve) => socket.once(event, resolve));
  await heard("connected");
  const ended = heard("disconnect");
  for (const body of POLLING_JUNK) {
    const query = `EIO=4&transport=polling&sid=${encodeURIComponent(socket.io.engine.id)}`;
    const response = await fetch(`${url}${pathOf(session)}?${query}`, { method: "POST", body });
    t.equal(response.status, 200, JSON.stringify(body));
    const answer: unknown = await Promise.race([socket.emitWithAck("ping"), ended]);
    t.strictSame(answer, { event: "pong" }, JSON.stringify(body));
  }
  const alerted = heard("hard_alert");
  t.equal((await post(url, { session, body: EVENT })).status, 202);
  await alerted;
  await bystander.inbox.next(({ event }) => event === "hard_alert");
  t.equal(bystander.inbox.items.length, 2);
});

void t.test("a frame of 4 KiB is ignored, and a longer one ends its own connection", async (t) => {
  const session = randomUUID();
  const bystander = await join({ url, session, role: "student", kind: "plain" });
  t.teardown(() => bystander.close());
  for (const open of [openPlain, openSocketIo]) {
    for (const longer of [
      "4".padEnd(MAX_FRAME_BYTES + 1, "x"),
      Buffer.alloc(MAX_FRAME_BYTES + 1),
    ]) {
      const connection = await open(session);
      t.teardown(() => connection.close());
      connection.send(longer.slice(0, MAX_FRAME_BYTES));
      await connection.answersPing();
      connection.send(longer);
      const isOpen = connection.answersPing().then(() => "still open");
      t.equal(await Promise.race([connection.closed, isOpen]), 1009);
    }
  }
  t.equal((await post(url, { session, body: EVENT })).status, 202);
  await bystander.inbox.next(({ event }) => event === "hard_alert");
  t.equal(bystander.inbox.items.length, 2);
});
