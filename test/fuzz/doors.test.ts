import { randomInt } from "node:crypto";
import t from "tap";
import { fuzz } from "./run.js";

const INPUTS = 20_000;
/** To run with the inputs of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));

void t.test("whatever clients send, nothing breaks, hangs or stays", async (t) => {
  t.comment(`FC_SEED=${String(SEED)}`);
  const report = await fuzz({ inputs: INPUTS, seconds: 0, seed: SEED });
  t.comment(report.summary());
  t.ok(report.inputs >= INPUTS);
  t.strictSame({ faults: report.faults(), unknown: report.unknown }, { faults: [], unknown: [] });
});
