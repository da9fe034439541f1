import { createHash } from "node:crypto";
import { createClient } from "redis";
import t from "tap";
import { STANDING_LUA } from "@inthon/emitter";
import { startRedis } from "../helpers/processes/redis-server.js";

/** Incarnations of Redis, made up. */
const INCARNATIONS = Array.from({ length: 50 }, (_, i) =>
  createHash("sha1").update(String(i)).digest("hex"),
);
/** The year 2112, in microseconds: every clock is behind that. */
const FAR_AHEAD = 2 ** 52;
const HOUR_US = 3_600_000_000;

void t.test("a new epoch is later than those before, wherever its clock stands", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = createClient({ url: redis.url });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const newEpoch = async (incarnation: string, ...before: readonly string[]) =>
    Number(
      await client.eval(`${STANDING_LUA} return newEpoch(unpack(ARGV))`, {
        keys: [],
        arguments: [incarnation, ...before],
      }),
    );

  await t.test("where it is right: its time", async (t) => {
    const begun = Date.now() * 1_000 - 1_000;
    for (const incarnation of INCARNATIONS) {
      const epoch = await newEpoch(incarnation, "", String(begun - HOUR_US));
      t.ok(epoch >= begun && epoch <= (Date.now() + 1) * 1_000, String(epoch));
    }
  });

  for (const [name, before] of [
    ["years", FAR_AHEAD],
    ["an hour", Date.now() * 1_000 + HOUR_US],
  ] as const) {
    await t.test(`where it is ${name} behind: another one for each incarnation`, async (t) => {
      const epochs = new Set<number>();
      for (const incarnation of INCARNATIONS) {
        // The latest of all that it is told, in whatever place.
        const epoch = await newEpoch(incarnation, String(before - 1), String(before), "");
        t.ok(epoch > before, `${String(epoch)} is later`);
        t.ok(Number.isSafeInteger(epoch), `${String(epoch)} is exact`);
        epochs.add(epoch);
      }
      t.equal(epochs.size, INCARNATIONS.length);
    });
  }

  await t.test("where it is behind again and again", async (t) => {
    let newest = FAR_AHEAD;
    for (const incarnation of INCARNATIONS) {
      const epoch = await newEpoch(incarnation, String(newest));
      t.ok(epoch > newest && Number.isSafeInteger(epoch));
      newest = epoch;
    }
    t.ok(newest - FAR_AHEAD < 5 * HOUR_US, "without running far ahead");
  });
});
