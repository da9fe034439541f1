import t from "tap";
import { CLOSE_REASONS } from "../../server/src/telemetry/labels.js";
import { REFUSAL_CODES } from "../../server/src/telemetry/refusals.js";
import { readDocuments } from "../helpers/documents.js";

/** The first cells of the README's table with a heading. */
async function firstColumn(heading: string): Promise<string[]> {
  const readme = await readDocuments();
  const [, table = ""] = readme.split(new RegExp(`^\\| \`${heading}\` .*\\n\\|[- |]+\\n`, "m"));
  const [rows = ""] = table.split("\n\n", 1);
  return [...rows.matchAll(/^\| `(\w+)`/gm)].map(([, cell = ""]) => cell);
}

void t.test("the README has a row for each reason and each code in the log", async (t) => {
  t.same((await firstColumn("reason")).sort(), [...CLOSE_REASONS].sort());
  t.same((await firstColumn("refused")).sort(), [...REFUSAL_CODES].sort());
});
