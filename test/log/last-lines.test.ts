import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import t from "tap";

const MODULE = new URL("../../server/dist/telemetry/log.js", import.meta.url).href;

const MANY = 30_000;

/** What a process of its own has logged that runs some lines of code, and what it wrote to its standard output beside. */
async function logged(code: string): Promise<string[]> {
  const script = `
    import { createLogger } from ${JSON.stringify(MODULE)};
    const log = createLogger("info", "node");
    ${code}`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  const { stdout } = await run.catch((error: unknown) => error as { readonly stdout: string });
  return stdout
    .trim()
    .split("\n")
    .map((line) => (line.startsWith("{") ? (JSON.parse(line) as { msg: string }).msg : line));
}

for (const [how, end] of Object.entries({
  "it exits": "process.exit(0);",
  "nothing is left to do": "",
  "an error that nobody handles": "throw new Error('unexpected');",
  "a promise that nobody handles": "await Promise.reject(new Error('unexpected'));",
})) {
  void t.test(`what was logged last is written: ${how}`, async (t) => {
    t.strictSame(await logged(`log.info("first"); log.info("last"); ${end}`), ["first", "last"]);
  });
}

void t.test("what went wrong is written before the turn is over, in its order", async (t) => {
  const code = `log.info("first"); log.warn("wrong"); process.stdout.write("beside\\n"); log.info("last");`;
  t.strictSame(await logged(code), ["first", "wrong", "beside", "last"]);
});

void t.test("a turn that logs much keeps little of it", async (t) => {
  const code = `
    const line = "x".repeat(1_000);
    for (let i = 0; i < 70; i++) log.info(line);
    process.stdout.write("beside\\n");
    log.info("last");`;
  const lines = await logged(code);
  const before = lines.indexOf("beside");
  t.ok(before >= 60 && before < 70, `${String(before)} of 70 lines did not wait for its end`);
  t.equal(lines.at(-1), "last");
});

void t.test("where nobody reads the log, lines are left out, and counted", async (t) => {
  const script = `
    import { createLogger } from ${JSON.stringify(MODULE)};
    const log = createLogger("info", "node");
    const line = "x".repeat(1_000);
    for (let i = 0; i < ${String(MANY)}; i++) {
      log.info(line);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    process.once("message", () => log.info("last"));
    process.once("disconnect", () => process.exit());
    process.send("logged");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.teardown(() => child.kill());
  await once(child, "message");
  const { stdout } = child;
  if (!stdout) throw new Error("no stdout");
  let told = 0;
  for await (const text of createInterface({ input: stdout })) {
    const { msg, untold } = JSON.parse(text) as { msg: string; untold?: number };
    if (msg === "last") child.disconnect();
    else if (untold === undefined) told++;
    else {
      t.match(msg, "nobody read this log");
      t.ok(told < 6_000, `${String(told)} lines of 1 KB were kept`);
      t.equal(told + untold, MANY);
      child.send("go on");
    }
  }
});

void t.test("a field is cut where it is long", async (t) => {
  const script = `
    import { createLogger } from ${JSON.stringify(MODULE)};
    createLogger("info", "node").info({ user: "x".repeat(9_000), ms: 5 }, "connected");`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  const { stdout } = await run;
  const line = JSON.parse(stdout) as { user: string; ms: number };
  t.equal(line.user, `${"x".repeat(256)}…`);
  t.equal(line.ms, 5);
});
