import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { run } from "../helpers/processes/run.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Says by which node it runs itself, and by which a server of a test and a command of npm would. */
const INNER_TEST = `
  import { execFileSync } from "node:child_process";
  import t from "tap";
  const byPath = execFileSync("node", ["--print", "process.execPath"], { encoding: "utf8" });
  t.test("inside " + process.execPath, (t) => {
    t.equal(byPath.trim(), process.execPath);
    t.fail("so that it is printed");
    t.end();
  });
`;

/** As often as it takes: tap clears a folder when it begins, into which the tests that run beside this one write. */
async function runTests(...args: readonly string[]) {
  for (let times = 1; ; times++) {
    const ended = await run(process.execPath, ["--import=tsx", "test/run.ts", ...args], {
      cwd: root,
    });
    const { stdout, stderr } = ended;
    if (times === 5 || !/ENOTEMPTY.*processinfo/s.test(stdout + stderr)) return ended;
  }
}

void t.test("--node runs the tests, and what they start, by another node", async (t) => {
  const dir = t.testdir({ "inner.test.mjs": INNER_TEST });
  // A node of its own: of a link Node.js would tell where it leads.
  const other = join(dir, "any-name");
  await copyFile(process.execPath, other);
  for (const option of [["--node", other], [`--node=${other}`]]) {
    const { code, stdout } = await runTests(...option, join(dir, "inner.test.mjs"));
    t.match(stdout, `inside ${other}`);
    t.match(stdout, "so that it is printed");
    t.notMatch(stdout, "should be equal");
    t.match(stdout, /\n0 passed, 1 failed\n$/);
    t.equal(code, 1);
  }
});

void t.test("what is not a node is refused in one line", async (t) => {
  for (const args of [["--node", "/etc/hostname"], ["--node", "/bin/true"], ["--node"]]) {
    const { code, stdout, stderr } = await runTests(...args);
    t.equal(code, 1);
    t.match(stdout, /^\n--node must be followed by the path of a node that runs here, not ".*"\n/);
    t.match(stdout, /\n0 passed, 0 failed\n$/);
    t.equal(stderr, "");
  }
});
