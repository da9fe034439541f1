import { randomUUID } from "node:crypto";
import t from "tap";
import { EVENT_NAMES, ROLES } from "@inthon/emitter/protocol";
import { join, type Client } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { ROWS, SESSION_ENDED } from "../helpers/samples/contract.js";
import { EmptyProject, expectedPackageFiles } from "./helpers/package.js";

const PUBLISH_SCRIPT = `
import { connect } from "@inthon/emitter";
const [redisUrl, sessionId, events] = process.argv.slice(2);
const emitter = await connect(redisUrl);
for (const { event, ...payload } of JSON.parse(events)) {
  const { offsets, duplicate } = await emitter.emit(sessionId, event, payload);
  console.log(JSON.stringify({ event, roles: Object.keys(offsets), duplicate }));
}
await emitter.close();
`;

const REQUIRE_SCRIPT = `
const { connect, EmitterError } = require("@inthon/emitter");
const { EVENT_NAMES } = require("@inthon/emitter/protocol");
const { eventSchema } = require("@inthon/emitter/validate");
async function main() {
  const [redisUrl, sessionId] = process.argv.slice(2);
  const emitter = await connect(redisUrl);
  const { offsets, duplicate } = await emitter.emit(sessionId, "hard_alert", { capture_url: null });
  await emitter.close();
  const error = await emitter.emit(sessionId, "session_ended").catch((error) => error);
  // What a program knows that has the package twice: its own copy, and another's error.
  const copies = await Promise.all([import("@inthon/emitter"), import("@inthon/emitter/protocol")]);
  const both = copies[0].EmitterError !== EmitterError && error instanceof copies[0].EmitterError;
  const isNone = new Error("closed") instanceof copies[0].EmitterError;
  const names = JSON.stringify(EVENT_NAMES) === JSON.stringify(copies[1].EVENT_NAMES);
  const { title } = eventSchema("hard_alert");
  const { code } = error;
  console.log(JSON.stringify({ roles: Object.keys(offsets), duplicate, code, both, isNone, names, title }));
}
main();
`;

/** Imports what it is told to, and names on stderr every module that was loaded for it. */
const LOAD_SCRIPT = `
import { register } from "node:module";
// Node.js 26 has something newer, which Node.js 20 lacks.
process.noDeprecation = true;
const hook = \`
  import { writeSync } from "node:fs";
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    const { url } = resolved;
    writeSync(2, url + String.fromCharCode(10));
    return resolved;
  }\`;
register("data:text/javascript," + encodeURIComponent(hook));
const { EVENT_NAMES } = await import(process.argv[2]);
console.log(JSON.stringify(EVENT_NAMES));
`;

const TYPES_PREAMBLE = `import { connect, EmitterError, type PublishResult } from "@inthon/emitter";
const emitter = await connect("redis://localhost", { historyLimit: 10, historyTtlS: 60 });
`;

const GOOD_TYPES = `${TYPES_PREAMBLE}
const capture_url = null;
await emitter.emit("s", "feedback", { feedback_type: "HARD" });
await emitter.emit("s", "question_intent", { question_id: 1, created_at: "2025-11-15T12:34:56Z" });
await emitter.emit("s", "question_capture", { question_id: 1, capture_url: "/a.png" });
await emitter.emit("s", "important", { note: "", capture_url }, { idempotencyKey: "k" });
await emitter.emit("s", "teacher_presence", { is_online: true });
await emitter.emit("s", "new_question", { question_id: 1, cleaned_text: "?", capture_url });
await emitter.emit("s", "question_like_update", { question_id: 1, like_count: 2 });
await emitter.emit("s", "hard_alert", { capture_url });
await emitter.emit("s", "session_ended");
const result: PublishResult = await emitter.emit("s", "session_ended", {}, { timeoutMs: 1_000 });
const offset: string | undefined = result.offsets.student;
const duplicate: boolean = result.duplicate;
const all = await emitter.emitAll("s", [{ event: "hard_alert", capture_url }, { event: "session_ended" }]);
console.log(offset, duplicate, all.length);
try {
  await emitter.close();
} catch (error) {
  if (error instanceof EmitterError && error.retryable) console.log(error.code, error.faults[0]?.path);
}
`;

const GOOD_CLIENT = `import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, ServerToClientEvents } from "@inthon/emitter/protocol";
const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://localhost");
socket.on("connected", ({ role, teacher_online }) => {
  const online: boolean = teacher_online;
  console.log(online, role === "teacher" || role === "student");
});
socket.on("feedback", ({ event, feedback_type, created_at }, offset) => {
  const name: "feedback" = event;
  const type: "OK" | "HARD" = feedback_type;
  console.log(name, type, created_at.length, offset?.length);
});
socket.on("important", ({ capture_url }) => console.log(capture_url?.length));
socket.send({ type: "ping" });
socket.emit("ping", (pong) => console.log(pong.event));
`;

/** The same declarations, as TypeScript finds them from CommonJS. */
const GOOD_REQUIRE = `import emitter = require("@inthon/emitter");
import protocol = require("@inthon/emitter/protocol");
import validate = require("@inthon/emitter/validate");
async function main(): Promise<protocol.Role[]> {
  const one: emitter.Emitter = await emitter.connect("redis://localhost");
  const { offsets }: emitter.PublishResult = await one.emit("s", "hard_alert", { capture_url: null });
  const event: protocol.ClassroomEvent = validate.parseEvent({ event: "session_ended" });
  console.log(offsets.student, event.event, validate.eventSchema("feedback")["title"]);
  return [...protocol.ROLES];
}
void main();
`;

const GOOD_CLIENT_TYPES = `import type { ClassroomEvents, Role } from "@inthon/emitter/protocol";
export function noteOf({ note }: ClassroomEvents["important"], _role: Role): string {
  return note;
}
`;
/** Names, ids and the event table, with gzip. */
const MAX_PROTOCOL_BYTES = 2_048;

/** Lines that must not compile, each after the preamble of its kind. */
const WRONG_EMITS: Readonly<Record<string, string>> = {
  "a field of a wrong type": `await emitter.emit("s", "question_intent", { question_id: "1" });`,
  "a value outside of an enumeration": `await emitter.emit("s", "feedback", { feedback_type: "SO-SO" });`,
  "null where the contract has none": `await emitter.emit("s", "important", { note: null, capture_url: null });`,
  "a missing field": `await emitter.emit("s", "important", { note: "n" });`,
  "a missing payload": `await emitter.emit("s", "hard_alert");`,
  "an unknown event": `await emitter.emit("s", "pop_quiz", {});`,
  "an extra field": `await emitter.emit("s", "hard_alert", { capture_url: null, level: 1 });`,
  "an extra field of an event without fields": `await emitter.emit("s", "session_ended", { reason: "late" });`,
  "an unknown option": `await emitter.emit("s", "session_ended", {}, { retries: 3 });`,
  "an extra field in an array": `await emitter.emitAll("s", [{ event: "hard_alert", capture_url: null, level: 1 }]);`,
  "another event's field in an array": `await emitter.emitAll("s", [{ event: "hard_alert", like_count: 1 }]);`,
  "a session id that is no string": `await emitter.emit(1, "session_ended");`,
};
const WRONG_CLIENTS: Readonly<Record<string, string>> = {
  "a handler for an unknown event": `socket.on("pop_quiz", () => undefined);`,
  "a handler that reads an unknown field": `socket.on("feedback", (event) => event.like_count);`,
  "a handler that takes a count for a text": `socket.on("question_like_update", ({ like_count }) => like_count.length);`,
  "a client that sends what it may not": `socket.emit("feedback", {});`,
  "a client that sends a wrong message": `socket.emit("message", { type: "pong" });`,
};

void t.test("the packed emitter, installed in an empty project", async (t) => {
  const [project, cluster] = await Promise.all([EmptyProject.create(), startCluster()]);
  t.teardown(() => Promise.all([project.remove(), cluster.stop()]));

  await t.test("holds what it needs, and nothing besides", async (t) => {
    t.strictSame(await project.packageFiles(), await expectedPackageFiles());
  });

  await t.test("emits every event, from a process of its own, to every replica", async (t) => {
    const session = randomUUID();
    // Teachers first, so that the server's own teacher_presence is told before anything is published.
    const clients: Client[] = [];
    for (const role of ROLES) {
      const joining = cluster.replicas.flatMap(({ url }) =>
        (["websocket", "plain"] as const).map((kind) => join({ url, session, role, kind })),
      );
      clients.push(...(await Promise.all(joining)));
    }
    t.teardown(() => Promise.all(clients.map((client) => client.close())));

    const rows = [...ROWS, SESSION_ENDED];
    const events = JSON.stringify(rows.map(({ publish }) => publish));
    await project.write("publish.js", PUBLISH_SCRIPT);
    const { code, stdout, stderr } = await project.run("publish.js", [
      cluster.redisUrl,
      session,
      events,
    ]);
    t.strictSame({ code, stderr }, { code: 0, stderr: "" });
    const told = stdout.trim().split("\n");
    t.strictSame(
      told.map((line) => JSON.parse(line) as unknown),
      rows.map(({ publish, audience }) => ({
        event: publish.event,
        roles: audience,
        duplicate: false,
      })),
    );
    t.strictSame(new Set(rows.map(({ publish }) => publish.event)), new Set(EVENT_NAMES));

    for (const { kind, role, inbox } of clients) {
      await inbox.next(({ event }) => event === "session_ended");
      const expected = rows.filter(({ audience }) => audience.includes(role));
      const published = expected.map(({ json }) => json);
      const received = inbox.items
        .map(({ json }) => json)
        .filter((json) => !json.startsWith('{"event":"connected"'))
        .filter((json) => !json.includes('"teacher_presence"') || published.includes(json));
      t.strictSame(received, published, `${kind} ${role}`);
    }
  });

  await t.test(
    "publishes by require too, and out of a bundle that has no file beside it",
    async (t) => {
      await project.write("publish.cjs", REQUIRE_SCRIPT);
      const bundle = await project.bundle("publish.cjs");
      for (const [how, file] of Object.entries({ "publish.cjs": undefined, bundle })) {
        const args = [cluster.redisUrl, randomUUID()];
        const { code, stdout, stderr } = await project.run(file ?? how, args);
        t.strictSame({ code, stderr }, { code: 0, stderr: "" }, how);
        t.strictSame(JSON.parse(stdout), {
          roles: ["teacher", "student"],
          duplicate: false,
          code: "closed",
          both: true,
          isNone: false,
          names: true,
          title: "hard_alert",
        });
      }
    },
  );

  await t.test("types what may be published and what a client receives", async (t) => {
    const clientPreamble = GOOD_CLIENT.split("\n").slice(0, 3).join("\n") + "\n";
    const wrong = [
      ...Object.entries(WRONG_EMITS).map(([what, line]) => [what, TYPES_PREAMBLE, line] as const),
      ...Object.entries(WRONG_CLIENTS).map(([what, line]) => [what, clientPreamble, line] as const),
    ];
    const files = wrong.map(([, preamble, line], i) => [`wrong-${String(i)}.ts`, preamble + line]);
    const faults = await project.compile({
      "good-emits.ts": GOOD_TYPES,
      "good-client.ts": GOOD_CLIENT,
      "good-require.cts": GOOD_REQUIRE,
      ...(Object.fromEntries(files) as Record<string, string>),
    });
    const places = faults.map(({ at }) => at);
    for (const [i, [what, preamble]] of wrong.entries()) {
      const at = `wrong-${String(i)}.ts:${String(preamble.split("\n").length)}`;
      t.ok(places.includes(at), `${what} does not compile`);
    }
    const elsewhere = faults.filter(({ at }) => !/^wrong-\d+\.ts:[34]$/.test(at));
    t.strictSame(elsewhere, [], "everything else compiles");
  });

  await t.test(
    "offers the contract alone, without any other package and without Node",
    async (t) => {
      const bare = await project.copyWithOnly("@inthon/emitter");
      await project.write("load.js", LOAD_SCRIPT);
      await project.write("../bare/load.js", LOAD_SCRIPT);

      const { code, stdout, stderr } = await project.run(
        "load.js",
        ["@inthon/emitter/protocol"],
        bare,
      );
      t.equal(code, 0);
      t.strictSame(JSON.parse(stdout), EVENT_NAMES);
      const loaded = stderr.trim().split("\n");
      t.ok(loaded.some((url) => url.endsWith("/@inthon/emitter/dist/protocol/events.js")));
      const foreign = loaded.filter((url) => !url.includes("/@inthon/emitter/dist/protocol/"));
      t.strictSame(foreign, [], "loads its own files, and nothing besides");
      const whole = await project.run("load.js", ["@inthon/emitter"], bare);
      t.match(whole.stderr, /Cannot find package '[@a-z/.-]+'/, "which the emitter needs");
    },
  );

  await t.test("costs a page what it uses", async (t) => {
    const types = await project.bundleForBrowsers(GOOD_CLIENT_TYPES);
    t.strictSame(types.from, ["<stdin>"], "types cost nothing");
    const all = await project.bundleForBrowsers('export * from "@inthon/emitter/protocol";');
    t.ok(all.bytes > 500 && all.bytes < MAX_PROTOCOL_BYTES, `all of it, ${all.bytes} bytes`);
    const foreign = all.from.filter((file) => !file.startsWith("@inthon/emitter/dist/protocol/"));
    t.strictSame(foreign, []);
    const one = await project.bundleForBrowsers(
      'import { parseSessionId } from "@inthon/emitter/protocol"; console.log(parseSessionId("s"));',
    );
    t.strictSame(one.from, ["@inthon/emitter/dist/protocol/ids.js", "<stdin>"]);
    t.ok(one.bytes < all.bytes / 2, `one function, ${one.bytes} bytes`);
    // It would fail on a module of Node.
    const checks = await project.bundleForBrowsers(
      'import { isEvent } from "@inthon/emitter/validate"; console.log(isEvent({}));',
    );
    t.ok(checks.from.includes("@inthon/emitter/dist/validate/parse-event.js"));
  });
});
