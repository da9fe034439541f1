import { chmod } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { test } from "tap";
import { reasonOf } from "../helpers/tools/apt.js";
import { toolsNeededBy } from "../helpers/tools/needed-tools.js";
import { ensureRedis, MissingRedisError, redisFile } from "../helpers/tools/redis-programs.js";
import { takeRedis } from "../helpers/tools/redis-option.js";
import { ensureTool, findTool, installTools } from "../helpers/tools/tools.js";
import { setEnv } from "../helpers/set-env.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("a missing program that cannot be installed is named in one line, and not tried again", async (t) => {
  setEnv(t, "PATH", "/nonexistent");
  setEnv(t, "INTHON_MISSING_TOOLS", "{}");
  t.equal(findTool("kubectl"), undefined);
  const message =
    "kubectl is not installed: run `apt-get install kubernetes-client`, or put kubectl on the PATH";
  await t.rejects(ensureTool("kubectl"), { message });

  const printed: string[] = [];
  await installTools(["kubectl"], (line) => printed.push(line));
  t.same(printed, [message]);
  t.same(JSON.parse(process.env["INTHON_MISSING_TOOLS"] ?? ""), { kubectl: "is not installed" });
  await t.rejects(ensureTool("kubectl"), { message });
});

test("a Redis of another kind is taken from where it is, or is missing by its name, in one line", async (t) => {
  setEnv(t, "REDIS8_SERVER", process.execPath);
  const lines = /^redis8 is not what REDIS8_SERVER names \([^\n]+\): put its [^\n]+$/;
  await t.rejects(ensureRedis("redis8"), { name: MissingRedisError.name, message: lines });
  const dir = t.testdir({ valkey: '#!/bin/sh\necho "Valkey server v=8.9.9"\n' });
  await chmod(`${dir}/valkey`, 0o755);
  setEnv(t, "VALKEY8_SERVER", `${dir}/valkey`);
  t.equal(await ensureRedis("valkey8"), `${dir}/valkey`);
  setEnv(t, "INTHON_REDIS_PROGRAM", "valkey8");
  t.equal(await redisFile(), `${dir}/valkey`, "which a whole run may be about");
  setEnv(t, "INTHON_REDIS_PROGRAM", "valkey9");
  await t.rejects(redisFile(), { message: "INTHON_REDIS_PROGRAM: one of redis7, redis8, valkey8" });
  setEnv(t, "PATH", "/nonexistent");
  setEnv(t, "REDIS8_SERVER", "");
  // Unless an earlier run has brought it.
  const found = await ensureRedis("redis8").catch((error: unknown) => error);
  if (found instanceof Error) {
    t.match(found, { message: /^redis8 cannot be brought from Debian's archive [^\n]+: put its / });
  } else {
    t.match(found, /\.cache\/redis8\/run$/);
  }
});

test("a run about one kind of Redis is of what must hold on it", async (t) => {
  const dir = t.testdir({ redis: '#!/bin/sh\necho "Redis server v=7.0.0"\n' });
  await chmod(`${dir}/redis`, 0o755);
  setEnv(t, "REDIS7_SERVER", `${dir}/redis`);
  const take = (...args: string[]) => takeRedis(args, root, () => undefined);
  t.same(await take("test/x.test.ts"), [{ name: undefined, args: ["test/x.test.ts"], env: {} }]);
  const onCluster = { INTHON_REDIS: "cluster", INTHON_REDIS_PROGRAM: "redis7" };
  const [one] = await take("--redis", "cluster", "test/x.test.ts");
  t.match(one, { name: "cluster", env: onCluster });
  t.same(one?.args.slice(1), ["test/x.test.ts"]);

  const everywhere = "test/contract/events.test.ts";
  const anywhere = "test/presence/survival.test.ts";
  const alone = "test/resume/brought-back.test.ts";
  const filesOf = async (...args: string[]) =>
    (await take(...args)).flatMap(({ args }) =>
      args.filter((arg) => [everywhere, anywhere, alone].includes(arg)),
    );
  t.same(await filesOf("--redis=redis7"), [everywhere, anywhere, alone]);
  t.same(await filesOf("--redis=cluster"), [everywhere, anywhere]);
  t.same(await filesOf("--redis", "sentinel", "--secure"), [everywhere]);
  for (const args of [["--redis", "redis9"], ["--redis"], ["--secure"]]) {
    await t.rejects(take(...args), { name: "OptionError", message: /^[^\n]+$/ });
  }
});

test("why apt could not install something is its last reason, and no consequence of one", (t) => {
  const noNetwork = [
    "W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'",
    "W: Some index files failed to download. They have been ignored, or old ones used instead.",
    "E: Unable to locate package haproxy",
  ];
  t.equal(reasonOf(noNetwork.join("\n")), noNetwork[0]);
  const goneFromMirror = [
    "E: Failed to fetch http://deb.debian.org/debian/pool/main/h/haproxy/haproxy_2.6.deb  404  Not Found",
    "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
    "",
  ];
  t.equal(reasonOf(goneFromMirror.join("\n")), goneFromMirror[0]);
  const unknown = "E: Unable to locate package haproxy";
  t.equal(reasonOf(`Reading package lists...\n${unknown}\n`), unknown);
  t.equal(
    reasonOf("flock: cannot open lock file /tmp/x: Read-only file system\n")?.slice(0, 5),
    "flock",
  );
  t.equal(reasonOf(""), undefined);
  t.end();
});

test("a test file needs the tools that it, or what it imports, asks for; and no file no tool", (t) => {
  t.same(toolsNeededBy(["test/resume/room.test.ts"], root), []);
  t.same(toolsNeededBy(["test/page/demo-page.test.ts", "--jobs=1"], root), [
    "redis-server",
    "haproxy",
    "chromium",
  ]);
  t.same(toolsNeededBy(["test/operate/test-runner.test.ts"], root).includes("nginx"), true);
  t.same(toolsNeededBy(["--jobs=1", "no/such.test.ts"], root), []);
  t.end();
});
