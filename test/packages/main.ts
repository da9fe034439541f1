/**
 * `npm run test:packages`: packs the emitter, installs it in empty projects, compiles what has to be compiled, publishes to
 * a real Redis from each, and prints a table. It downloads what the projects install. `-- --only jest` plays those whose line
 * has the word.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "redis";
import { historyKey, parseSessionId, roomName } from "@inthon/emitter/protocol";
import { Ends } from "../helpers/topologies/ends.js";
import { startTopology } from "../helpers/topologies/topologies.js";
import { installNode } from "../helpers/tools/nodes.js";
import { PROJECTS, type Project } from "./projects.js";

const EMITTER = fileURLToPath(new URL("../../emitter", import.meta.url));
/** Installing is most of it. */
const TIMEOUT_MS = 5 * 60_000;
const run = promisify(execFile);

interface World {
  readonly dir: string;
  readonly tarball: string;
  readonly target: string;
  /** Of its Sentinels: `host:port`, with commas, and the name that they have for it. */
  readonly sentinels: string;
  readonly sentinelName: string;
  published(session: string): Promise<number>;
}

/** What became of one project: as far as it came. */
interface Row {
  readonly project: Project;
  readonly version: string;
  readonly steps: Readonly<Record<"installs" | "compiles" | "publishes", string>>;
  readonly trouble: string | undefined;
}

async function play(project: Project, number: number, world: World): Promise<Row> {
  const steps = { installs: "no", compiles: project.compile ? "no" : "-", publishes: "no" };
  let version = project.node;
  try {
    const node = await installNode(project.node);
    version = (await run(node, ["--version"])).stdout.trim();
    const cwd = join(world.dir, `project-${String(number)}`);
    await mkdir(cwd);
    const env = { ...process.env, PATH: [dirname(node), process.env["PATH"]].join(delimiter) };
    const options = { cwd, env, timeout: TIMEOUT_MS };
    const manifest = { private: true, ...project.manifest };
    await writeFile(join(cwd, "package.json"), JSON.stringify(manifest));
    for (const [name, text] of Object.entries(project.files))
      await writeFile(join(cwd, name), text);
    const packages = [world.tarball, ...(project.packages ?? [])];
    // By the npm that is there: what is tried is what is installed, and by which Node.js it runs.
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages];
    await run("npm", install, { cwd, timeout: TIMEOUT_MS });
    steps.installs = "yes";
    for (const [tool = "", ...args] of project.compile ?? []) {
      await run(join(cwd, "node_modules/.bin", tool), args, options);
      steps.compiles = "yes";
    }
    for (const program of project.programs) {
      const session = randomUUID();
      const its = {
        ...{ ...env, SESSION: session, TARGET: world.target },
        ...{ SENTINELS: world.sentinels, SENTINEL_NAME: world.sentinelName },
      };
      await run(node, [...program], { ...options, env: its });
      const count = await world.published(session);
      if (count !== 1) throw new Error(`${program.join(" ")} published ${String(count)} events`);
    }
    steps.publishes = "yes";
    return { project, version, steps, trouble: undefined };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const trouble = `${String(error)}\n${stdout}${stderr}`.slice(0, 4_000);
    return { project, version, steps, trouble };
  }
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--only");
  const only = at < 0 ? "" : (process.argv[at + 1] ?? "").toLowerCase();
  const wanted = PROJECTS.filter(({ name, node }) =>
    `${name} node ${node}`.toLowerCase().includes(only),
  );
  const dir = await mkdtemp(join(tmpdir(), "inthon-packages-"));
  const ends = new Ends();
  const redis = await startTopology(ends, "sentinel");
  const [, sentinels = "", sentinelName = ""] =
    /^redis\+sentinel:\/\/(.*)\/(.*)$/.exec(redis.url) ?? [];
  const target = `redis://127.0.0.1:${String(redis.parts()[0]?.port)}`;
  const client = createClient({ url: target });
  await client.connect();
  try {
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", dir], { cwd: EMITTER });
    const tarball = join(dir, (await readdir(dir))[0] ?? "");
    const published = async (session: string) => {
      const id = parseSessionId(session);
      return id ? client.xLen(historyKey(roomName(id, "student"))) : 0;
    };
    const line = (...cells: readonly string[]) => {
      const [first = "", ...rest] = cells;
      process.stdout.write(`${[first.padEnd(30), ...rest.map((it) => it.padEnd(9))].join("  ")}\n`);
    };
    line("project", "Node.js", "installs", "compiles", "publishes");
    const world = { dir, tarball, target, sentinels, sentinelName, published };
    let failed = 0;
    for (const [number, project] of wanted.entries()) {
      const row = await play(project, number, world);
      const { installs, compiles, publishes } = row.steps;
      line(project.name, row.version, installs, compiles, publishes);
      if (row.trouble === undefined) continue;
      failed++;
      process.stdout.write(`${row.trouble}\n`);
    }
    process.stdout.write(`${String(wanted.length - failed)} of ${String(wanted.length)} publish\n`);
    if (failed > 0 || wanted.length === 0) process.exitCode = 1;
  } finally {
    client.destroy();
    await ends.end();
    await rm(dir, { recursive: true, force: true });
  }
}

await main();
