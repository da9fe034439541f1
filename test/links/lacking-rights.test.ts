import t from "tap";
import { eventually } from "../helpers/eventually.js";
import { adminOf, makeUsers, rulesOfReadme, urlAs } from "../helpers/processes/redis-users.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

/** Of no use to who is connected: everybody may say hello, and whoever may not be pinged answers by saying so. */
const NOT_NEEDED = ["+hello", "+ping", "+client|setname"];

interface Lack {
  /** How the answer has it. */
  readonly named: string;
  /** What takes it away, and gives it back. */
  readonly without: readonly string[];
  readonly again: readonly string[];
}

void t.test("each right that a replica needs is tried, and named where it lacks", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  await makeUsers(admin);
  const env = { REDIS_URL: urlAs(redis.url, "server"), REDIS_LINK_TIMEOUT_MS: "500" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const readiness = async () =>
    (await (await fetch(`${server.url}/readyz`)).json()) as { code?: string; detail?: string };
  await eventually(async () => (await readiness()).code === undefined);

  const [rules = []] = await rulesOfReadme();
  const commands = rules.filter((rule) => rule.startsWith("+") && !NOT_NEEDED.includes(rule));
  t.ok(commands.length > 40);
  const keys = rules.filter((rule) => rule.startsWith("~"));
  const cases: Lack[] = [
    ...commands.map((right) => ({
      named: `is ${right}`,
      without: [right.replace("+", "-")],
      again: [right],
    })),
    ...keys.map((key) => ({
      // Where it is a key that scripts are called with, Redis does not say which.
      named: key.startsWith("~session") ? "for ~session:" : "a rule for one of its keys",
      without: ["resetkeys", ...keys.filter((one) => one !== key)],
      again: ["resetkeys", ...keys],
    })),
    {
      named: "for &socket.io",
      without: ["resetchannels", "&somewhere"],
      again: ["resetchannels", "&socket.io#/#*"],
    },
  ];
  let before: readonly string[] = [];
  for (const { named, without, again } of cases) {
    // Together, so that one is followed by the next.
    await admin.sendCommand(["ACL", "SETUSER", "server", ...before, ...without]);
    before = again;
    let last: unknown;
    const isNamed = eventually(async () => {
      const { code, detail = "" } = await readiness();
      last = { code, detail };
      return code === "redis_denies_access" && detail.includes(named);
    });
    await isNamed.catch(() => {
      t.fail(`${named} is told: ${JSON.stringify(last)}`);
    });
  }
  await admin.sendCommand(["ACL", "SETUSER", "server", ...before]);
  await eventually(async () => (await readiness()).code === undefined);
  const told = server
    .output()
    .split("\n")
    .filter((line) => line.includes('"code":"redis_denies_access"') && line.includes('"level":50'));
  t.equal(told.length, new Set(cases.map(({ named }) => named)).size, "each is logged once");
});
