import { execSync } from "node:child_process";
import { readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Test, test } from "tap";
import { join as joinAs } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { freePort, isFree } from "../helpers/processes/ports.js";
import { run } from "../helpers/processes/run.js";
import { Launched, minimalEnvironment } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs an npm script until it has written `ready`. */
async function runScript(
  t: Test,
  script: string,
  ready: string,
  settings: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
) {
  const port = await freePort();
  const npm = await Launched.start("npm", ["run", script, "--", ...args], {
    env: { ...minimalEnvironment(), ...settings, HOST: "127.0.0.1", PORT: String(port) },
  });
  t.teardown(() => {
    try {
      process.kill(-npm.pid, "SIGKILL"); // whatever is left of its group
    } catch {
      // nothing is, as it should be
    }
  });
  await npm.waitForLine((line) => (line.includes(ready) ? line : undefined));
  return { npm, port };
}

/** Runs it, and then sends npm, and nobody else, SIGTERM. */
async function terminate(t: Test, script: string, ready: string): Promise<number> {
  const { npm, port } = await runScript(t, script, ready);
  npm.kill("SIGTERM");
  await npm.exited;
  return port;
}

test("SIGTERM to npm start ends the server, and its port is free", async (t) => {
  const port = await terminate(t, "start", '"listening"');
  t.ok(await isFree(port));
});

test("what a terminal sends to npm start and to the server is one signal, though npm passes it on", async (t) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const settings = { DRAIN_DELAY_MS: "500" };
    const { npm, port } = await runScript(t, "start", '"listening"', settings);
    const url = `http://127.0.0.1:${String(port)}`;
    const client = await joinAs({ url, session: "lecture-1", role: "student", kind: "plain" });
    // Two signals that come while it is busy are one to it.
    for (let i = 0; i < 50; i++) await (await fetch(`${url}/healthz`)).text();
    process.kill(-npm.pid, signal);
    t.equal(await client.closed, 1012, signal);
    await npm.exited;
    t.match(npm.output(), '"msg":"closed"', "in order");
  }
});

test("SIGTERM to npm run cluster ends all of it", async (t) => {
  await Promise.all([ensureTool("redis-server"), ensureTool("haproxy")]);
  const port = await terminate(t, "cluster", "Ctrl-C ends");
  for (const it of [port, port + 1, port + 2, port + 3]) t.ok(await isFree(it), String(it));
});

test("npm run cluster -- --redis starts a Redis of several nodes, and ends all of it", async (t) => {
  await Promise.all([ensureTool("redis-server"), ensureTool("haproxy")]);
  for (const [kind, count, commands] of [
    ["cluster", 6, ["cluster failover", "--cluster reshard", "cluster nodes"]],
    [
      "sentinel",
      6,
      ["CLIENT PAUSE 10000 WRITE", "SENTINEL FAILOVER classroom", "SHUTDOWN NOSAVE NOW"],
    ],
  ] as const) {
    const { npm, port } = await runScript(t, "cluster", "Ctrl-C ends", {}, ["--redis", kind]);
    const text = npm.output();
    t.match(text, `redis+${kind}://127.0.0.1:`);
    for (const command of commands) t.match(text, command);
    const answer = await fetch(`http://127.0.0.1:${String(port)}/sessions/lecture-1/events`, {
      method: "POST",
      headers: { "content-type": "application/json", connection: "close" },
      body: JSON.stringify({ event: "session_ended" }),
    });
    t.equal(answer.status, 202, kind);
    const nodes = [...text.matchAll(/^ +(?:Redis|replica|Sentinel).* 127\.0\.0\.1:(\d+) +pid/gm)];
    t.equal(nodes.length, count, `nodes of ${kind}`);
    if (kind === "cluster") {
      // As printed: it finds the master of the session of the page, which is no other one when it is asked again.
      const command = /^ +(redis-cli .* \| awk .*)$/m.exec(text)?.[1] ?? "";
      const [master = "", ...more] = execSync(command, { encoding: "utf8" }).trim().split("\n");
      t.strictSame(more, [], "one");
      const place = /^(127\.0\.0\.1:(\d+))@.* (?:myself,)?master$/.exec(master);
      execSync(`redis-cli -p ${place?.[2] ?? ""} shutdown nosave now || true`);
      await eventually(() =>
        Promise.resolve(
          npm.output().includes(`Redis is away, reconnecting (${place?.[1] ?? ""}, slots `),
        ),
      );
      await eventually(
        () =>
          Promise.resolve(/over: a Redis has no slots any more.*after \d+ ms/.test(npm.output())),
        60_000,
      );
    }
    npm.kill("SIGTERM");
    await npm.exited;
    const ports = [port, port + 1, port + 2, port + 3, ...nodes.map(([, node]) => Number(node))];
    for (const it of ports) t.ok(await isFree(it), String(it));
  }
});

/** A project that is laid out as this one is, of one file each. */
async function startProject(t: Test): Promise<{ dir: string; compile: () => Promise<boolean> }> {
  const tsconfig = {
    compilerOptions: { composite: true, rootDir: "src", outDir: "dist", types: [] },
    include: ["src"],
  };
  const buildInfo = { tsBuildInfoFile: "dist/tsconfig.tsbuildinfo" };
  const compilerOptions = { ...tsconfig.compilerOptions, ...buildInfo };
  const dir = t.testdir({
    "package-lock.json": "{}",
    "tsconfig.json": "{}",
    emitter: {
      "package.json": "{}",
      "tsconfig.json": JSON.stringify({ ...tsconfig, compilerOptions }),
      build: {
        "inline-lua.mjs": await readFile(join(root, "emitter/build/inline-lua.mjs"), "utf8"),
      },
      src: { "index.ts": "export const one = 1;", redis: { lua: { "a-script.lua": "return 1" } } },
    },
    server: {
      "package.json": "{}",
      "tsconfig.json": JSON.stringify({
        ...tsconfig,
        compilerOptions,
        references: [{ path: "../emitter" }],
      }),
      "compile.sh": await readFile(join(root, "server/compile.sh"), "utf8"),
      "bundle.mjs": await readFile(join(root, "server/bundle.mjs"), "utf8"),
      "rehearse.mjs": await readFile(join(root, "server/rehearse.mjs"), "utf8"),
      src: {
        "serve.ts": "export const four = 4;",
        "main.ts": "export const two = 2;",
        "other.ts": "export const three = 3;",
      },
    },
  });
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  const PATH = [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  const compiled = join(dir, "server/dist/.compiled");
  const timeOf = async () =>
    (await stat(compiled, { bigint: true }).catch(() => undefined))?.mtimeNs;
  const compile = async () => {
    const before = await timeOf();
    const { code, stdout } = await run("sh", [join(dir, "server/compile.sh")], { env: { PATH } });
    if (code !== 0) throw new Error(stdout);
    return (await timeOf()) !== before;
  };
  return { dir, compile };
}

test("a start compiles what has changed since, and otherwise nothing", async (t) => {
  const { dir, compile } = await startProject(t);
  const emitter = join(dir, "emitter/src/index.ts");
  const main = join(dir, "server/src/main.ts");
  t.equal(await compile(), true, "the first time");
  t.equal(await compile(), false, "nothing has changed");

  await writeFile(emitter, "export const one: number = 'one';");
  await t.rejects(compile(), { message: /TS2322/ });
  await t.rejects(compile(), { message: /TS2322/ }, "a fault does not pass by being tried again");
  await writeFile(emitter, "export const one = 11;");
  t.equal(await compile(), true, "a changed file");
  t.match(await readFile(join(dir, "emitter/dist/index.js"), "utf8"), "11");

  await writeFile(join(dir, "emitter/src/redis/lua/a-script.lua"), "return 'two'");
  t.equal(await compile(), true, "a changed script");
  const scripts = await readFile(join(dir, "emitter/dist/redis/lua/texts.js"), "utf8");
  t.match(scripts, `A_SCRIPT_LUA = "return 'two'"`);
  t.equal(await compile(), false, "and no more than that");

  await writeFile(main, "export { three } from './other.js';");
  t.equal(await compile(), true);
  await rm(join(dir, "server/src/other.ts"));
  await t.rejects(compile(), { message: /TS2307/ }, "a file that is gone");
  await writeFile(main, "export const two = 22;");
  t.equal(await compile(), true);

  for (const part of ["server", "emitter"]) {
    await rm(join(dir, part, "dist"), { recursive: true });
    t.equal(await compile(), true, `${part}/dist is gone`);
  }
  t.match(await readFile(join(dir, "server/dist/main.js"), "utf8"), "22");
  t.match(await readFile(join(dir, "emitter/dist/index.js"), "utf8"), "11");
  t.equal(await compile(), false, "all is as it was");
});

test("npm ci warns of no install script: for each package it is said whether it runs", async (t) => {
  const read = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(join(root, file), "utf8"));
  const { packages } = (await read("package-lock.json")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const { allowScripts } = (await read("package.json")) as { allowScripts: object };
  const names = Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
  t.same(Object.keys(allowScripts).sort(), [...new Set(names)].sort());
});
