import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import t from "tap";
import { Emitter, EmitterError } from "@inthon/emitter";

void t.test("a call gives up in time although memory is collected while it waits", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // A Redis that hangs: nothing but the time limit ends the wait.
  const hanging = {
    publish: () => new Promise<never>(() => undefined),
    close: async () => undefined,
  };
  const emitter = new Emitter(hanging);
  const calls = Array.from({ length: 20 }, () =>
    emitter.emit("lecture", "session_ended", {}, { timeoutMs: 200 }),
  );
  const collecting = setInterval(collect, 20);
  t.teardown(() => {
    clearInterval(collecting);
  });
  for (const result of await Promise.allSettled(calls)) {
    t.equal(result.status, "rejected");
    if (result.status !== "rejected") continue;
    t.ok(result.reason instanceof EmitterError);
    t.match(result.reason, { code: "unavailable", retryable: true });
  }
});
