import { randomUUID } from "node:crypto";
import { connect, EmitterError, parseEvent } from "@inthon/emitter";
import t from "tap";
import { ENVIRONMENTS } from "../helpers/processes/environments.js";

const MAX_FAULTS = 16;
const MAX_ANSWER_BYTES = 4_096;

/** An event with as many fields that are not the contract's as a body may hold. */
function manyFaults(): Record<string, unknown> {
  const fields = Array.from({ length: 9_000 }, (_, i): [string, number] => [`f${String(i)}`, 1]);
  return { event: "session_ended", ...Object.fromEntries(fields) };
}

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`of faults without number the first sixteen are told, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    for (const body of [manyFaults(), [manyFaults()], [{ event: "session_ended" }, manyFaults()]]) {
      const url = `${environment.urls[0] ?? ""}/sessions/${randomUUID()}/events`;
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      t.equal(response.status, 400);
      t.ok(text.length < MAX_ANSWER_BYTES, `${String(text.length)} bytes`);
      const { errors } = JSON.parse(text) as { errors: { path: string }[] };
      t.equal(errors.length, MAX_FAULTS);
      t.match(errors[0], { path: /\/f0$/ });
    }
  });
}

const WHOLE = { event: "session_ended" };
const WRONG = { event: "important", note: 1 };
const TOO_LONG = { event: "important", note: "n".repeat(65_536), capture_url: null };

/** What is sent, and what is told of it: the status, and where the faults are. */
const ARRAYS: readonly [events: unknown[], status: number, paths: readonly string[]][] = [
  [
    [WRONG, WHOLE, WRONG, null],
    400,
    ["/0/note", "/0/capture_url", "/2/note", "/2/capture_url", "/3"],
  ],
  [[TOO_LONG, WHOLE, TOO_LONG], 413, ["/0", "/2"]],
  [[TOO_LONG, null], 400, ["/0", "/1"]],
  [
    Array.from({ length: 1_000 }, () => null),
    400,
    Array.from({ length: 16 }, (_, i) => `/${String(i)}`),
  ],
];

for (const { name, start } of ENVIRONMENTS) {
  void t.test(
    `of an array the faults of all events are told in one answer, with ${name}`,
    async (t) => {
      const environment = await start();
      t.teardown(() => environment.stop());
      const [url = ""] = environment.urls;
      for (const [events, status, paths] of ARRAYS) {
        const response = await fetch(`${url}/sessions/${randomUUID()}/events`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(events),
        });
        const { errors } = (await response.json()) as { errors: { path: string }[] };
        t.equal(response.status, status);
        t.same(
          errors.map(({ path }) => path),
          paths,
        );
      }
    },
  );
}

void t.test("an emitter tells the faults of all events before anything is published", async (t) => {
  // Nobody listens there: what is wrong is told before anybody is called.
  const emitter = await connect("http://127.0.0.1:9");
  t.teardown(() => emitter.close());
  const wrong = [WRONG, WHOLE, WRONG] as unknown as Parameters<typeof emitter.emitAll>[1];
  await t.rejects(emitter.emitAll("lecture-1", wrong), {
    code: "invalid_event",
    faults: ["/0/note", "/0/capture_url", "/2/note", "/2/capture_url"].map((path) => ({ path })),
  });
});

void t.test("an emitter stops looking there too", (t) => {
  try {
    parseEvent(manyFaults());
    t.fail("it was taken");
  } catch (error) {
    t.ok(error instanceof EmitterError && error.faults.length === MAX_FAULTS);
  }
  t.end();
});
