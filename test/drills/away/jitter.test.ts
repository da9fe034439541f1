import t from "tap";
import { runJitter } from "./jitter.js";

// Two servers, each for as long as its events take.
t.setTimeout(240_000);

void t.test("clients on a train are told everything that they missed, once", async (t) => {
  const args = ["--clients", "40", "--events", "40", "--rate", "2"];
  t.ok(
    await runJitter(args, (line) => {
      t.comment(line);
    }),
  );
});
