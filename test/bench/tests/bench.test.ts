import { readFile } from "node:fs/promises";
import t from "tap";
import { calmest, findDisturbance } from "../machine/disturbance.js";
import { Lab } from "../lab.js";
import { Receipts } from "../load/latencies.js";
import { filesNeeded } from "../machine/open-files.js";
import { OptionError, parseOptions } from "../options.js";
import { parseCoreList } from "../machine/pinning.js";
import type { Environment } from "../report/environment.js";
import { formatJson } from "../report/json.js";
import { redraw } from "../report/redraw.js";
import { formatSvg } from "../report/svg.js";
import { formatTable } from "../report/table.js";
import { isGood, judge, type RowResult } from "../measure/results.js";
import { ROW_IDS, ROWS, type RowId } from "../rows.js";
import { measureRows } from "../run.js";
import { FULL, QUICK } from "../sizes.js";
import { median, spreadOf } from "../measure/statistics.js";

void t.test("options have defaults, and rows come in the order of the table", (t) => {
  t.same(parseOptions([]), {
    quick: false,
    rounds: undefined,
    rows: ROW_IDS,
    out: "test/output",
    node: process.execPath,
    tolerance: 5,
  });
  const args = "--quick --rounds 7 --rows memory,fan-out --out here --node /a/node --tolerate 20";
  t.same(parseOptions(args.split(" ")), {
    quick: true,
    rounds: 7,
    rows: ["fan-out", "memory"],
    out: "here",
    node: "/a/node",
    tolerance: 20,
  });
  t.end();
});

void t.test("a bad option is named in one line", (t) => {
  const bad = [
    [["--rounds", "2"], "--rounds must be a whole number from 3 to 20"],
    [["--rounds", "many"], "--rounds must be a whole number from 3 to 20"],
    [["--tolerate", "0"], "--tolerate must be a whole number from 1 to 100"],
    [
      ["--rows", "fan-out,fanout"],
      `--rows has no row "fanout": the rows are ${ROW_IDS.join(", ")}`,
    ],
    [["--rows", ""], `--rows has no row "": the rows are ${ROW_IDS.join(", ")}`],
    [["--out="], "--out must not be empty"],
    [["--fast"], "Unknown option '--fast'"],
    [["fan-out"], "Unexpected argument 'fan-out'"],
  ] as const;
  for (const [args, message] of bad) {
    t.throws(() => parseOptions(args), new OptionError(message), message);
  }
  t.end();
});

void t.test("statistics", (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.throws(() => median([]));
  t.same(spreadOf([2, 1, 3]), { min: 1, max: 3 });
  const receipts = new Receipts();
  // Events 11 to 13, each to 30 clients: the number of the client is its latency in milliseconds.
  for (let client = 30; client >= 1; client--) {
    for (const event of [11, 12, 13]) receipts.add(event, event * 1e9 + client * 1e6);
  }
  const last = receipts.summarize([13e9], 13);
  t.same(last, { count: 30, p50Ms: 15, p99Ms: 30, maxMs: 30 }, "the nearest rank");
  t.match(receipts.summarize([12e9, 13e9], 12), { count: 60, p50Ms: 15 });
  t.end();
});

void t.test("what others use of a pinned core is a disturbance, and nothing else is", (t) => {
  const second = (share: number) => share * 1e9;
  const activity = {
    elapsedNs: second(1),
    busyNs: new Map([
      [0, second(0.5)],
      [1, second(0.9)],
      [2, second(1)],
    ]),
    ownNs: new Map([
      [0, second(0.48)],
      [1, second(0.5)],
    ]),
  };
  // A tick of 1 % is not counted.
  const found = findDisturbance(activity, 5);
  t.equal(found?.core, 1);
  t.equal(found?.percent.toFixed(1), "39.0");
  const worse = { ...activity, busyNs: new Map([...activity.busyNs, [0, second(1)]]) };
  t.equal(findDisturbance(worse, 5)?.core, 0, "the most disturbed core");
  t.equal(findDisturbance(activity, 40), undefined, "tolerated");
  t.equal(findDisturbance({ ...activity, ownNs: new Map() }, 5), undefined, "nothing is pinned");
  const alone = { ...activity, ownNs: new Map([[0, second(0.48)]]) };
  t.equal(findDisturbance(alone, 5), undefined, "1 % is not more than 5 %");
  t.end();
});

void t.test("a disturbed measurement is repeated, a few times at most", async (t) => {
  const disturbance = { core: 1, percent: 50 };
  const measure = (calmAt: number) => {
    let value = 0;
    return async () => ({ value: ++value, disturbance: value < calmAt ? disturbance : undefined });
  };
  t.same(await calmest(measure(1), 3), { value: 1, disturbance: undefined });
  t.same(await calmest(measure(3), 3), { value: 3, disturbance: undefined });
  t.same(await calmest(measure(4), 3), { value: 3, disturbance });
});

void t.test("a row is judged by its medians, and its spread by the rounds", (t) => {
  const series = (values: Record<string, number[]>) => new Map(Object.entries(values));
  const measured = (id: RowId, values: Record<string, number[]>) =>
    judge(ROWS[id], series(values), undefined).outcome;
  t.same(measured("fan-out", { stock: [10, 20, 12], ours: [6, 5, 4] }), {
    kind: "measured",
    figure: 5 / 12,
    spread: { min: 0.25, max: 0.6 },
    isMet: true,
  });
  t.match(measured("fan-out", { stock: [10], ours: [6.1] }), { isMet: false });
  t.match(measured("other-traffic", { stock: [8], ours: [0.5] }), { figure: 0.5, isMet: true });
  t.match(measured("replicas", { 1: [10], 2: [9], 3: [12] }), { figure: 12 / 9, isMet: false });
  t.match(measured("fan-out", { stock: [10] }), { kind: "unmeasured" });
  t.match(measured("fan-out", {}), { kind: "unmeasured" });
  t.match(judge(ROWS.memory, series({}), "disturbed"), {
    outcome: { kind: "unmeasured", reason: "disturbed" },
  });
  t.end();
});

const none = { lost: 0, duplicated: 0, reordered: 0, others: [] };

function result(id: RowId, stock: number, ours: number, more: Partial<RowResult> = {}): RowResult {
  const values = new Map([
    ["stock", [stock]],
    ["ours", [ours]],
  ]);
  const judged = judge(ROWS[id], values, undefined);
  return { id, row: ROWS[id], ...judged, faults: none, notes: ["a note"], details: {}, ...more };
}

const RESULTS: readonly RowResult[] = [
  result("fan-out", 10, 5.5),
  result("bursts", 10, 12),
  result("big-room", 100, 55, { faults: { ...none, lost: 3 } }),
  result("memory", 1, 1, { outcome: { kind: "unmeasured", reason: "disturbed: <others> & all" } }),
];
const ENVIRONMENT: Environment = {
  commit: "abc1234",
  versions: { node: "20.0.0", "socket.io": "4.8.4" },
  machine: "a machine <of> sorts",
  pinning: "servers on core 0",
};

void t.test("a row is good where its limit is met and nothing was lost", (t) => {
  t.same(RESULTS.map(isGood), [true, false, false, false]);
  t.end();
});

void t.test("the table has each row with its limit, its verdict and what went wrong", (t) => {
  const lines = formatTable(RESULTS, ENVIRONMENT).split("\n");
  const line = (id: string) => lines.find((line) => line.startsWith(`${id} `)) ?? "";
  t.match(
    line("fan-out"),
    /stock 10\.0, ours 5\.50 µs +0\.550 × stock +0\.550\.\.0\.550 +0\.6 +met$/,
  );
  t.match(line("bursts"), /1\.20 × stock .* missed$/);
  t.match(line("big-room"), /faulty$/);
  t.match(line("memory"), /not measured$/);
  t.ok(lines.includes("  3 deliveries lost"));
  t.ok(lines.includes("  disturbed: <others> & all"));
  t.ok(lines.includes("commit abc1234, node 20.0.0, socket.io 4.8.4"));
  t.end();
});

void t.test("the JSON has every value of every round", (t) => {
  const settings = { startedAt: "2026-03-01T00:00:00.000Z", quick: true, rounds: 3 };
  const text = formatJson(RESULTS, ENVIRONMENT, settings);
  const document = JSON.parse(text) as { rows: readonly unknown[] };
  t.match(document, { ...settings, commit: "abc1234", isGood: false });
  t.match(document.rows[0], {
    id: "fan-out",
    limit: 0.6,
    verdict: "met",
    outcome: { figure: 0.55 },
    variants: [
      { name: "stock", perRound: [10] },
      { name: "ours", perRound: [5.5] },
    ],
  });
  t.equal(document.rows.length, RESULTS.length);
  t.end();
});

void t.test("the SVG has bars on one scale: ours, and what it is compared with", (t) => {
  const svg = formatSvg(RESULTS, ENVIRONMENT);
  const bars = [...svg.matchAll(/<rect x="340" .*?width="([\d.]+)".*?fill="(#\w+)"/g)];
  t.same(
    bars.slice(0, 4).map(([, width, fill]) => [Number(width), fill]),
    [
      // 0.55 of what it is compared with; then 1.2 of it.
      [140, "#9aa4b2"],
      [77, "#3d43b0"],
      [140, "#9aa4b2"],
      [168, "#3d43b0"],
    ],
  );
  t.ok(
    bars.slice(4).every(([, , fill]) => fill === "#cf222e"),
    "a row that lost something says so",
  );
  t.match(svg, "stock: 10.0 µs");
  t.match(svg, "ours: 5.50 µs");
  t.match(svg, /<rect x="0.5" y="0.5" [^>]*fill="#ffffff"/);
  t.match(svg, "not measured");
  t.match(svg, "a machine &lt;of&gt; sorts");
  t.notMatch(svg, /NaN|undefined/);
  t.end();
});

void t.test("the picture that README shows is that of the results beside it", async (t) => {
  const read = (name: string) => readFile(new URL(`../${name}`, import.meta.url), "utf8");
  t.equal(redraw(await read("bench.json")), await read("bench.svg"));
});

void t.test("the limit of open files, and the kernel's lists of cores", (t) => {
  t.equal(filesNeeded(["publish"], FULL), 1_200);
  t.equal(filesNeeded(ROW_IDS, FULL), 10_700);
  t.same(parseCoreList("0-2,5"), [0, 1, 2, 5]);
  t.same(parseCoreList("3"), [3]);
  t.same(parseCoreList(""), []);
  t.end();
});

void t.test("a whole small benchmark: every kind of client gets every event once", async (t) => {
  const clients = 20;
  const lab = await Lab.open({
    // Not pinned: it would move this test, and nothing here looks at time.
    pinning: {
      servers: { core: undefined, launcher: [] },
      load: { core: undefined, launcher: [] },
      note: "",
    },
    sizes: { ...QUICK, roomClients: clients, windowMs: 100, calibrationMs: 100 },
    rounds: 1,
    node: process.execPath,
    tolerancePercent: 100,
    print: (line) => {
      t.comment(line);
    },
  });
  t.teardown(() => lab.close());
  const ids = ["fan-out", "fan-out-plain", "fan-out-floor"] as const;
  const results = await measureRows(lab, ids);
  t.same(
    results.map(({ id }) => id),
    ids,
  );
  for (const { id, outcome, variants, faults } of results) {
    t.equal(outcome.kind, "measured", `${id} ${"reason" in outcome ? outcome.reason : ""}`);
    t.same(faults, none);
    t.equal(variants.length, 2);
    t.ok(variants.every(({ perRound }) => perRound.length === 1 && (perRound[0] ?? 0) > 0));
  }
});
