import t from "tap";
import { costWith, MAX_WATCHED, RENEWALS } from "./helpers/cost.js";

const SESSIONS = 100;
/** What each link to a master is tried by, once in a renewal: `proof.lua`, what it does, a PING, and a count of its channels. */
const PROOF = ["evalsha", "set", "spublish", "time", "ping", "client|info"];
/** How the cluster is: asked of three nodes at most, and of one more for its open slots. */
const TOPOLOGY = "cluster|";

void t.test("what a replica asks does not grow with masters, but for a proof each", async (t) => {
  const one = await costWith(t, 1, SESSIONS);
  const three = await costWith(t, 3, SESSIONS);
  for (const { masters, commands, subscriptions } of [one, three]) {
    const figures = [...commands].map(([name, calls]) => `${name} ${calls.toFixed(0)}`);
    t.comment(
      `${String(masters)} masters: ${String(subscriptions)} subscriptions, ${figures.join(", ")}`,
    );
  }
  for (const [name, calls] of three.commands) {
    const before = one.commands.get(name) ?? 0;
    // Two links to each master, and what is counted by the test itself.
    const proofs = PROOF.includes(name) ? 2 * (three.masters - one.masters) * (RENEWALS + 3) : 0;
    const limit = name.startsWith(TOPOLOGY)
      ? MAX_WATCHED * (before + 5)
      : 1.3 * before + proofs + 5;
    t.ok(calls <= limit, `${name}: ${calls.toFixed(1)} with three, ${before.toFixed(1)} with one`);
  }
  // Two rooms in each session, a proof in each master, and the channel of all rooms.
  for (const { masters, subscriptions, subscribing } of [one, three]) {
    t.equal(subscriptions, 2 * SESSIONS + masters + 1);
    t.ok(subscribing <= subscriptions, `${String(subscribing)} times asked for`);
  }
});
