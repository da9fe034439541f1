/** Clients that are processes: in Node.js, Python, Java, and a shell. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../helpers/processes/run.js";
import { Launched, minimalEnvironment } from "../../helpers/processes/server-process.js";
import { aptInstall } from "../../helpers/tools/apt.js";
import { installNode } from "../../helpers/tools/nodes.js";
import { installedVersion, npmInstall } from "../../helpers/tools/npm-install.js";
import { ensureTool, type Tool } from "../../helpers/tools/tools.js";
import type { Host, Where } from "./host.js";
import { textOf } from "./program.js";

/** Below this project, so that a program finds the packages that are installed here. */
const output = fileURLToPath(new URL("../../output/clients/", import.meta.url));
/** The system's own, for which Debian's packages are. */
export const PYTHON = "/usr/bin/python3";

export interface NodeOptions {
  /** By default the one that runs this. */
  readonly version?: string;
  /** A package of a version of its own; by default those of this project. */
  readonly package?: string;
  /** One of those of this project, for its version. */
  readonly uses?: string;
  readonly options?: readonly string[];
}

export function inNode(wanted: NodeOptions): Where {
  return async () => {
    const { version, options = [] } = wanted;
    const node = version === undefined ? process.execPath : await installNode(version);
    const installs = wanted.package;
    const dir =
      installs === undefined
        ? output
        : await npmInstall(`clients/${installs.replace("@", "-")}`, [installs]);
    const name = wanted.uses ?? installs?.replace(/@.*/, "");
    const at = installs === undefined ? fileURLToPath(new URL("../../..", import.meta.url)) : dir;
    const what = name === undefined ? "" : `${installedVersion(at, name)} on `;
    const { stdout } = await run(node, ["--version"]);
    const args = ["--no-warnings", ...options];
    return hostOf(`${what}Node.js ${stdout.trim().slice(1)}`, dir, node, args);
  };
}

/** @param packages - of Debian, whose modules the program imports; the first one is the client, if there is one */
export function inPython(packages: readonly string[]): Where {
  return async () => {
    for (const name of packages) await ensurePackage(name);
    const { stdout } = await run(PYTHON, ["--version"]);
    const [client] = packages;
    const what = client === undefined ? "" : `${await packageVersion(client)} on `;
    return hostOf(`${what}${stdout.trim()}`, output, PYTHON, []);
  };
}

export function inJava(): Where {
  return async () => {
    const java = await ensureTool("java");
    const { stdout } = await run(java, ["--version"]);
    return hostOf(`Java ${stdout.split(" ")[1] ?? ""}`, output, java, []);
  };
}

/** @param tool - what the program calls */
export function inShell(tool: Tool): Where {
  return async () => {
    const { stdout } = await run(await ensureTool(tool), ["--version"]);
    return hostOf(stdout.split(" ").slice(0, 2).join(" "), output, "bash", []);
  };
}

/** Installs a package of Debian that brings no program. */
export async function ensurePackage(name: string): Promise<void> {
  if ((await packageVersion(name)) !== "") return;
  if (process.getuid?.() !== 0) throw new Error(`run \`apt-get install ${name}\``);
  await aptInstall({ name }, (process.env["PATH"] ?? "").split(":"));
}

/** Of a package of Debian, or nothing where it is not installed. */
export async function packageVersion(name: string): Promise<string> {
  const { code, stdout } = await run("dpkg-query", [
    "--show",
    "--showformat",
    "${db:Status-Status} ${Version}",
    name,
  ]);
  const [status, version = ""] = stdout.split(" ");
  return code === 0 && status === "installed" ? version : "";
}

async function hostOf(
  version: string,
  parent: string,
  file: string,
  args: readonly string[],
): Promise<Host> {
  await mkdir(parent, { recursive: true });
  const dir = await mkdtemp(join(parent, "run-"));
  const children: Launched[] = [];
  return {
    version,
    async start(task, seat) {
      const at = join(dir, `${String(children.length)}-${basename(task.program)}`);
      await writeFile(at, await textOf(task));
      const onLine = (line: string) => {
        seat.onLine(line);
      };
      const child = await Launched.start(file, [...args, at], {
        // Java writes in the encoding of the locale.
        env: { ...minimalEnvironment(), LC_ALL: "C.UTF-8" },
        onLine,
      });
      children.push(child);
      void child.exited.then((exit) => {
        seat.exit = exit;
      });
    },
    async stop() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(children.map(({ exited }) => exited));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
