import { randomBytes } from "node:crypto";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { type RedisServer, startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, urlAs } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";

interface Trouble {
  readonly name: string;
  readonly code: string;
  readonly begin: readonly string[];
  readonly end: readonly string[];
  /** What the detail must speak of. */
  readonly about: RegExp;
}

/** What the README says that a user needs. */
const KEYS = "~session:* ~history:* ~inthon:*";
const CHANNELS = "resetchannels &socket.io*";
const COMMANDS = "+@all -@admin";

/** Ways in which a Redis that answers does not let anybody publish. */
const TROUBLES: readonly Trouble[] = [
  {
    name: "is full",
    code: "redis_full",
    begin: ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"],
    end: ["CONFIG SET maxmemory 0"],
    about: /maxmemory/,
  },
  {
    name: "is a replica now",
    code: "redis_read_only",
    begin: ["REPLICAOF 127.0.0.1 1"],
    end: ["REPLICAOF NO ONE"],
    about: /primary/,
  },
  {
    name: "has too few replicas",
    code: "redis_lacks_replicas",
    begin: ["CONFIG SET min-replicas-to-write 1"],
    end: ["CONFIG SET min-replicas-to-write 0"],
    about: /min-replicas-to-write/,
  },
  {
    name: "does not let the user publish",
    code: "redis_denies_access",
    begin: ["ACL SETUSER app -publish"],
    end: ["ACL SETUSER app +publish"],
    about: /REDIS_URL/,
  },
  {
    name: "does not let the user run scripts",
    code: "redis_denies_access",
    begin: ["ACL SETUSER app -@scripting"],
    end: ["ACL SETUSER app +@scripting"],
    about: /REDIS_URL/,
  },
  {
    name: "hides the histories from the user",
    code: "redis_denies_access",
    begin: ["ACL SETUSER app resetkeys ~inthon:* ~session:*"],
    end: [`ACL SETUSER app ${KEYS}`],
    about: /REDIS_URL/,
  },
  {
    name: "hides the rooms' channels from the user",
    code: "redis_denies_access",
    begin: ["ACL SETUSER app resetchannels &somewhere:*"],
    end: [`ACL SETUSER app ${CHANNELS}`],
    about: /REDIS_URL/,
  },
];

async function commandsOf(t: Test, redis: RedisServer) {
  const client = await adminOf(t, redis);
  return async (...commands: readonly (string | readonly string[])[]) => {
    for (const command of commands) {
      await client.sendCommand(typeof command === "string" ? command.split(" ") : [...command]);
    }
  };
}

/** The answer that has the code, once there is one. */
async function untilCode(url: string, code: string) {
  let response = await fetch(`${url}/readyz`);
  let problem = (await response.json()) as { readonly code?: string };
  await eventually(async () => {
    if (problem.code === code) return true;
    response = await fetch(`${url}/readyz`);
    problem = (await response.json()) as { readonly code?: string };
    return problem.code === code;
  });
  return { response, problem };
}

async function untilReady(url: string): Promise<void> {
  await eventually(async () => (await fetch(`${url}/readyz`)).ok);
}

void t.test("/readyz is 503 while Redis answers and lets nobody publish", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await commandsOf(t, redis);
  await admin(`ACL SETUSER app on >pw ${KEYS} ${CHANNELS} ${COMMANDS}`);
  const server = await startServer({
    env: { REDIS_URL: urlAs(redis.url, "app", "pw"), REDIS_LINK_TIMEOUT_MS: "1000" },
  });
  t.teardown(() => server.stop());
  const { url } = server;
  await untilReady(url);

  for (const { name, code, begin, end, about } of TROUBLES) {
    await t.test(`Redis ${name}`, async (t) => {
      await admin(...begin);
      const answer = await untilCode(url, code);
      t.match(answer.problem, { status: 503, code, detail: about });
      t.equal(answer.response.headers.get("retry-after"), "1");
      t.notMatch(
        JSON.stringify(answer.problem),
        /127\.0\.0\.1|@user_script|inthon:|pw/,
        "no internals",
      );
      t.equal((await fetch(`${url}/healthz`)).status, 200);
      await admin(...end);
      await untilReady(url);
      t.equal((await post(url, "lecture-1", { event: "session_ended" })).status, 202);
      const lines = server.output().split("\n");
      const told = lines.filter(
        (line) => line.includes(`"code":"${code}"`) && line.includes('"level":50'),
      );
      t.ok(told.length <= TROUBLES.filter((other) => other.code === code).length, "logged once");
    });
  }
});

void t.test("and while it cannot save, or loads its data", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "inthon-links-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const redis = await startRedis({
    dir,
    args: ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"],
  });
  t.teardown(() => redis.stop());
  const admin = await commandsOf(t, redis);
  const server = await startServer({
    env: { REDIS_URL: redis.url, REDIS_LINK_TIMEOUT_MS: "1000" },
  });
  t.teardown(() => server.stop());
  const { url } = server;
  await untilReady(url);

  await t.test("cannot save", async () => {
    const inTheWay = join(dir, "dump.rdb");
    await mkdir(inTheWay);
    await admin(["CONFIG", "SET", "save", "3600 1"], "BGSAVE");
    await untilCode(url, "redis_read_only");
    await rm(inTheWay, { recursive: true });
    await admin("BGSAVE");
    await untilReady(url);
  });

  await t.test("loads", async () => {
    // Each takes 20 ms to load, and is long enough for Redis to see what else there is to do.
    const value = () => randomBytes(1_500).toString("base64");
    await admin(...Array.from({ length: 200 }, (_, i) => `SET key-${i} ${value()}`));
    await admin("SAVE");
    redis.kill();
    await redis.exited;
    const back = redis.restart();
    await untilCode(url, "redis_loading");
    await back;
    await untilReady(url);
  });
});
