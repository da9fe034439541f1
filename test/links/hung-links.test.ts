import t from "tap";
import { HUNG_EMITTERS, HUNG_LINKS, timeHungEmitter, timeHungLink } from "./helpers/hung-links.js";

/** What the README promises, with the default settings. */
const SERVICE_WITHIN_MS = 10_000;
const NOTICED_WITHIN_MS = 5_000;
const AT_A_TIME = 4;

void t.test("a link that hangs is made anew within seconds", async (t) => {
  t.jobs = AT_A_TIME;
  for (const link of HUNG_LINKS) {
    void t.test(link.name, { buffered: true }, async (t) => {
      const { noticedMs = Infinity, serviceMs } = await timeHungLink(link);
      t.comment(
        `not ready after ${noticedMs.toFixed()} ms, in service after ${serviceMs.toFixed()} ms`,
      );
      t.ok(noticedMs <= NOTICED_WITHIN_MS, "readiness says so meanwhile");
      t.ok(serviceMs <= SERVICE_WITHIN_MS, "in service again");
    });
  }
  for (const link of HUNG_EMITTERS) {
    void t.test(link.name, { buffered: true }, async (t) => {
      const { serviceMs } = await timeHungEmitter(link);
      t.comment(`publishes again after ${serviceMs.toFixed()} ms`);
      t.ok(serviceMs <= SERVICE_WITHIN_MS, "in service again");
    });
  }
});
