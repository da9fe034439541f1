import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";

const MODULE = new URL("../../server/dist/telemetry/log.js", import.meta.url).href;

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
