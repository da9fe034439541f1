import t from "tap";
import { OptionError } from "../chaos/options.js";
import { comeBack } from "./readers/come-back.js";
import { readSizes } from "./readers/options.js";
import { slowReaders } from "./readers/slow-readers.js";

// Both wait for the slowest of many clients.
t.setTimeout(240_000);

void t.test(
  "a class that comes back over a long history is told all, and costs little",
  async (t) => {
    const report = await comeBack({ clients: 100, events: 1_000, bytes: 4_096 });
    t.comment(JSON.stringify(report));
    t.match(report, { faults: 0, behind: 0, dropped: 0, isGood: true });
  },
);

void t.test("who stops reading is cut, and nobody loses anything", async (t) => {
  const report = await slowReaders({ clients: 40, slow: 10, rate: 200, bytes: 8_192, seconds: 10 });
  t.comment(JSON.stringify(report));
  t.match(report, { cut: 10, faults: 0, behind: 0, isGood: true });
});

void t.test("a bad option is named in one line", (t) => {
  for (const args of [["--clients", "0"], ["--clients", "x"], ["--nothing", "1"], ["more"]]) {
    t.throws(() => readSizes(args, { clients: 1 }), OptionError);
  }
  t.strictSame(readSizes(["--clients", "7"], { clients: 1, rate: 2 }), { clients: 7, rate: 2 });
  t.end();
});
