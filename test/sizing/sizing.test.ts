import { fileURLToPath } from "node:url";
import t from "tap";
import { run, type Outcome } from "../helpers/processes/run.js";
import { OTHERS, readFigures } from "./figures.js";
import { size, type Demand } from "./model.js";
import { readDocuments } from "../helpers/documents.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = await readDocuments();

const MILLION: Demand = {
  connections: 1_000_000,
  sessions: 20_000,
  events: 5_000,
  lectureMinutes: 60,
  historyLimit: 1_000,
  historyTtlS: 21_600,
  memoryBytes: 1024 ** 3,
  spread: undefined,
  hasCanaries: false,
  waitsForReplicas: false,
};
const figures = readFigures();

async function npm(args: readonly string[]): Promise<Outcome> {
  return run("npm", ["run", "--silent", ...args], { cwd: root });
}

/** A row of Markdown, whatever its columns are padded to. */
function cells(row: string): string[] {
  return row.split("|").map((it) => it.trim());
}

await t.test("the README's rows are what the command answers", async (t) => {
  const section = /^## Size\n[\s\S]*?(?=^## )/m.exec(readme)?.[0] ?? "";
  const rows = section.split("\n").filter((line) => /^\| +[\d,]+ \|/.test(line));
  t.equal(rows.length, 3);
  for (const row of rows) {
    const [, connections = "", sessions = "", events = ""] = cells(row).map((it) =>
      it.replaceAll(",", ""),
    );
    const args = ["--connections", connections, "--sessions", sessions, "--events", events];
    const { stdout } = await npm(["size", "--", ...args, "--row"]);
    t.strictSame(cells(stdout.trim()), cells(row), "or is the README older than bench.json?");
  }
});

await t.test(
  "the command as shown names every number's formula, and what it rests on",
  async (t) => {
    const [, command = ""] = /^(npm run size .*)$/m.exec(readme) ?? [];
    const { code, stdout } = await npm(command.split(" ").slice(2));
    t.equal(code, 0);
    for (const what of [
      "replicas",
      "Redis masters",
      "histories",
      "connections to it",
      "subscriptions",
      "comes first",
    ]) {
      t.match(stdout, new RegExp(`^ *${what} +\\S.* {2}\\S`, "m"), what);
    }
    for (const basis of ["measured", "by hand", "setting", "plan"]) t.match(stdout, `  ${basis} `);
  },
);

await t.test("a wrong option is told in one line", async (t) => {
  for (const args of [
    ["--connections", "many"],
    ["--connections", "-5"],
    ["--connections", "--sessions"],
    ["--memory", "1"],
    ["--sessions", "600000"],
    ["--replicas", "3"],
  ]) {
    const { code, stdout, stderr } = await npm(["size", "--", ...args]);
    t.not(code, 0);
    t.equal(stdout, "");
    t.equal(stderr.trim().split("\n").length, 1);
    t.match(stderr, new RegExp(args[0] ?? ""));
  }
});

await t.test("the answer holds what it has planned with", (t) => {
  const { load, demand } = size(MILLION, figures);
  t.ok(demand.connections / load.replicas <= OTHERS.connectionsEach.value);
  t.ok(load.cores <= OTHERS.coreShare.value);
  t.ok(load.heapBytes <= OTHERS.heapShare.value * demand.memoryBytes);
  t.end();
});

await t.test("what needs more, gets more, and each lever moves what it should", (t) => {
  const of = (change: Partial<Demand>) => size({ ...MILLION, ...change }, figures);
  const base = of({});
  t.ok(
    of({ historyLimit: 200 }).load.replicas < base.load.replicas,
    "shorter histories, fewer replicas",
  );
  t.ok(of({ memoryBytes: 4 * 1024 ** 3 }).load.replicas < base.load.replicas, "larger ones, fewer");
  t.ok(of({ historyTtlS: 3_600 }).redis.historyBytes < base.redis.historyBytes, "less in Redis");
  const near = of({ spread: 2 });
  t.ok(near.load.holders <= 2, "a session on two replicas");
  t.ok(near.load.subscriptions < base.load.subscriptions / 10);
  t.equal(of({ connections: 10_000_000, sessions: 200_000, spread: 1 }).needs.connections, 1_000);
  const watched = of({ hasCanaries: true });
  t.equal(watched.load.canaries, watched.load.replicas);
  t.ok(watched.redis.historyBytes - base.redis.historyBytes >= 375 * 1_000 * base.load.replicas);
  t.ok(watched.load.heapBytes * watched.load.replicas > base.load.heapBytes * base.load.replicas);
  t.ok(watched.redis.publishCores > base.redis.publishCores);
  t.ok(watched.load.subscriptions > base.load.subscriptions);
  const waiting = of({ waitsForReplicas: true });
  t.equal(waiting.redis.clients, 1.5 * base.redis.clients, "a third link");
  t.equal(waiting.masters.clients, 1.5 * base.masters.clients);
  t.equal(of({ connections: 100, sessions: 2, events: 1 }).load.replicas, 3, "one for each zone");
  t.ok(of({ events: 5_000_000, spread: 1 }).needs.cpu > base.needs.cpu);
  t.end();
});

await t.test("what the benchmark measured is what it goes by", (t) => {
  const rows = { ...figures, connectionBytes: { ...figures.connectionBytes, value: 100_000 } };
  t.ok(size(MILLION, rows).load.replicas > size(MILLION, figures).load.replicas);
  for (const [name, { value, basis }] of Object.entries(figures)) {
    t.ok(value > 0, name);
    t.equal(basis, "measured", name);
  }
  t.end();
});
