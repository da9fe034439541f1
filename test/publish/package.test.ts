import t from "tap";
import { EVENT_NAMES } from "@inthon/emitter/protocol";
import { EmptyProject, expectedPackageFiles } from "./helpers/package.js";

/** Imports what it is told to, and names on stderr every module that was loaded for it, but for typebox's 400. */
const LOAD_SCRIPT = `
import { register } from "node:module";
// Node.js 26 has something newer, which Node.js 20 lacks.
process.noDeprecation = true;
const hook = \`
  import { writeSync } from "node:fs";
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    const { url } = resolved;
    if (!url.includes("/node_modules/typebox/")) writeSync(2, url + String.fromCharCode(10));
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

// That it publishes, on every kind of Redis: test/every-redis/contract.test.ts.
void t.test("the packed emitter, installed in an empty project", async (t) => {
  const project = await EmptyProject.create();
  t.teardown(() => project.remove());

  await t.test("holds what it needs, and nothing besides", async (t) => {
    t.strictSame(await project.packageFiles(), await expectedPackageFiles());
  });

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

  await t.test("offers the contract alone, without a Redis client and without Node", async (t) => {
    const bare = await project.copyWithOnly("@inthon/emitter", "typebox");
    await project.write("load.js", LOAD_SCRIPT);
    await project.write("../bare/load.js", LOAD_SCRIPT);

    for (const dir of [project.dir, bare]) {
      const { code, stdout, stderr } = await project.run(
        "load.js",
        ["@inthon/emitter/protocol"],
        dir,
      );
      t.equal(code, 0);
      t.strictSame(JSON.parse(stdout), EVENT_NAMES);
      const loaded = stderr.trim().split("\n");
      t.ok(loaded.some((url) => url.endsWith("/@inthon/emitter/dist/protocol/events.js")));
      const foreign = loaded.filter((url) => !url.includes("/@inthon/emitter/dist/protocol/"));
      t.strictSame(foreign, [], "loads its own files and typebox, and nothing besides");
    }
    const whole = await project.run("load.js", ["@inthon/emitter"], bare);
    t.match(
      whole.stderr,
      /Cannot find package '(redis|@opentelemetry\/api)'/,
      "which the emitter needs",
    );
  });
});
