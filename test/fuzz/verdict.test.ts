/** The fuzzer ends with what it has seen, whatever becomes of the server. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { WebSocketServer } from "ws";
import { Heap } from "./heap.js";
import { fuzz } from "./run.js";
import { WaitOver } from "./waits.js";

const SERVER = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));
/** By then there are visitors. */
const REQUESTS_BEFORE = 200;
/** A machine that does much else may take longer to answer, so this is for who hangs. */
const HANG_MS = 500;

/** Fuzzes a server that does something else in the middle of it. */
async function fuzzOneThat(t: Test, does: string, options: { readonly hangMs?: number } = {}) {
  const dir = t.testdir({
    "main.mjs": `
      import { subscribe } from "node:diagnostics_channel";
      import inspector from "node:inspector";
      import { pathToFileURL } from "node:url";
      let requests = 0;
      subscribe("http.server.request.start", () => {
        if (++requests === ${String(REQUESTS_BEFORE)}) { ${does} }
      });
      process.argv[1] = ${JSON.stringify(SERVER)};
      await import(pathToFileURL(process.argv[1]));
    `,
  });
  return fuzz({ main: `${dir}/main.mjs`, inputs: 1, seconds: 0, seed: 1, ...options });
}

void t.test("a server that hangs is found", async (t) => {
  const report = await fuzzOneThat(t, "for (;;);", { hangMs: HANG_MS });
  t.match(report.faults(), [/^the server hangs: who behaves was not answered in 0\.5 s$/]);
  t.strictSame(report.unknown, []);
});

void t.test("a server that ends is found, with what it said last", async (t) => {
  const report = await fuzzOneThat(t, `throw new Error("the end");`);
  t.match(report.faults()[0], /^the server has ended, after \d+ inputs:\n.*the end/s);
  t.strictSame(report.unknown, []);
});

void t.test("what cannot be counted is said, and the rest is told", async (t) => {
  const report = await fuzzOneThat(t, "setImmediate(() => inspector.close());");
  t.strictSame(report.unknown[0], "the inspector has hung up");
  t.strictSame(report.faults(), []);
  t.ok(report.inputs > 0);
  t.match(report.summary(), /left behind: -?\d+ descriptors, unknown KB$/);
});

void t.test("a server that does not start is a fault", async (t) => {
  const dir = t.testdir({ "main.mjs": "process.exit(3);" });
  const report = await fuzz({ main: `${dir}/main.mjs`, inputs: 1, seconds: 0, seed: 1 });
  t.match(report.faults(), [/^the server has not started: .*ended with 3/]);
});

void t.test("an inspector that does not answer is waited for, and not for ever", async (t) => {
  const mute = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.teardown(() => {
    mute.close();
  });
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const url = `ws://127.0.0.1:${String(port)}`;
  const heap = await Heap.of(`Debugger listening on ${url}\n`, 200);
  t.teardown(() => {
    heap.close();
  });
  const what = /waited 0.2 s in vain for the inspector's answer to HeapProfiler.collectGarbage/;
  await t.rejects(heap.used(), new WaitOver(), "which says nothing of the server");
  await t.rejects(heap.used(), { message: what });
});
