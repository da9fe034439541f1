import { randomUUID } from "node:crypto";
import { EmitterError, parseEvent } from "@inthon/emitter";
import t from "tap";
import { ENVIRONMENTS } from "../helpers/processes/environments.js";

const MAX_FAULTS = 16;
const MAX_ANSWER_BYTES = 4_096;

/** An event with as many fields that are not the contract's as a body may hold. */
function manyFaults(): Record<string, unknown> {
  const fields = Array.from({ length: 80_000 }, (_, i): [string, number] => [`f${String(i)}`, 1]);
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

void t.test("an emitter stops looking there too", (t) => {
  try {
    parseEvent(manyFaults());
    t.fail("it was taken");
  } catch (error) {
    t.ok(error instanceof EmitterError && error.faults.length === MAX_FAULTS);
  }
  t.end();
});
