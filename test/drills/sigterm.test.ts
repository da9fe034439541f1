import t from "tap";
import { sigterm } from "./sigterm.js";

t.setTimeout(240_000);

void t.test("SIGTERM at any moment ends a replica in order, whatever Redis does", async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000) + 1;
  t.comment(`SEED=${String(seed - 1)}`);
  const report = await sigterm({ times: 6, seed });
  t.comment(JSON.stringify(report));
  t.strictSame(report.faults, []);
});
