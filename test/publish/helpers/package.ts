import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { run, type Outcome, type RunOptions } from "../../helpers/processes/run.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const EMITTER = join(ROOT, "emitter");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** A fault that the compiler found: `<file>:<line>`, then its code. */
export interface CompileFault {
  readonly at: string;
  readonly code: string;
}

/** A project that knows of `@inthon/emitter` what its tarball says. */
export class EmptyProject {
  readonly dir: string;
  readonly #temporary: string;

  private constructor(temporary: string) {
    this.#temporary = temporary;
    this.dir = join(temporary, "project");
  }

  /** Packs the emitter as it is built, and installs the tarball, and nothing else, from the registry. */
  static async create(): Promise<EmptyProject> {
    const project = new EmptyProject(await mkdtemp(join(tmpdir(), "inthon-package-")));
    const temporary = project.#temporary;
    await mkdir(project.dir);
    await project.write("package.json", JSON.stringify({ private: true, type: "module" }));
    // Built already: packing must not build it again under other tests.
    const pack = ["pack", "--ignore-scripts", "--pack-destination", temporary];
    await succeed("npm", pack, { cwd: EMITTER });
    const tarball = (await readdir(temporary)).find((name) => name.endsWith(".tgz"));
    if (tarball === undefined) throw new Error("npm pack left no tarball");
    const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", `../${tarball}`];
    await succeed("npm", install, { cwd: project.dir, env: networkSettings() });
    return project;
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.dir, file), text);
  }

  /** Runs a script of the project in a process of its own. */
  async run(file: string, args: readonly string[] = [], cwd = this.dir): Promise<Outcome> {
    return run(process.execPath, [resolve(cwd, file), ...args], { cwd });
  }

  /** All files of the installed package, sorted. */
  async packageFiles(): Promise<readonly string[]> {
    const dir = join(this.dir, "node_modules/@inthon/emitter");
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
      .sort();
  }

  /** Bundles a script of the project, as a service does, into a folder where there is nothing else. */
  async bundle(file: string): Promise<string> {
    const outfile = join(this.#temporary, "bundled", "bundle.cjs");
    const entryPoints = [join(this.dir, file)];
    await build({ entryPoints, outfile, bundle: true, platform: "node", logLevel: "silent" });
    return outfile;
  }

  /** What a page loads that has this code: its bytes, and the files that went into them. */
  async bundleForBrowsers(code: string): Promise<{ bytes: number; from: readonly string[] }> {
    const { metafile, outputFiles } = await build({
      stdin: { contents: code, resolveDir: this.dir, loader: "ts" },
      bundle: true,
      minify: true,
      platform: "browser",
      format: "esm",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    const [output] = Object.values(metafile.outputs);
    const from = Object.entries(output?.inputs ?? {}).filter(([, one]) => one.bytesInOutput > 0);
    const bytes = gzipSync(outputFiles[0]?.contents ?? "").length;
    return { bytes, from: from.map(([file]) => file.replace(/^.*node_modules\//, "")) };
  }

  /** A copy of the project in which only the named packages are installed. */
  async copyWithOnly(...packages: readonly string[]): Promise<string> {
    const copy = join(this.#temporary, "bare");
    for (const path of ["package.json", ...packages.map((name) => `node_modules/${name}`)]) {
      await cp(join(this.dir, path), join(copy, path), { recursive: true });
    }
    return copy;
  }

  /** Compiles TypeScript files in the project, strictly, and returns the faults. */
  async compile(files: Readonly<Record<string, string>>): Promise<readonly CompileFault[]> {
    // A service has these two besides: Node's types, and the stock client.
    await mkdir(join(this.dir, "app/node_modules/@types"), { recursive: true });
    for (const name of ["@types/node", "socket.io-client"]) {
      await symlink(join(ROOT, "node_modules", name), join(this.dir, "app/node_modules", name));
    }
    for (const [name, text] of Object.entries(files)) await this.write(`app/${name}`, text);
    const compilerOptions = {
      target: "ES2022",
      module: "NodeNext",
      strict: true,
      // Types that do not resolve make wrong lines compile.
      skipLibCheck: true,
      noEmit: true,
      types: ["node"],
    };
    await this.write("app/tsconfig.json", JSON.stringify({ compilerOptions }));
    const { code, stdout } = await run(
      process.execPath,
      [TSC, "--project", "app", "--pretty", "false"],
      { cwd: this.dir },
    );
    const lines = stdout.split("\n").filter((line) => /^\S/.test(line));
    if (code !== 0 && lines.length === 0) throw new Error(`tsc ended with ${String(code)}`);
    return lines.map((line) => {
      const match = /^(.+?)\((\d+),\d+\): error (TS\d+)/.exec(line);
      if (!match) throw new Error(line);
      const [, file = "", number = "", error = ""] = match;
      return { at: `${file.replace(/^app\//, "")}:${number}`, code: error };
    });
  }

  async remove(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
  }
}

/** By what npm reaches its registry here: a proxy, certificates of a company, settings of npm's own. */
function networkSettings(): Record<string, string> {
  const names = /^(npm_config_.*|https?_proxy|no_proxy|node_extra_ca_certs)$/i;
  const settings = Object.entries(process.env).filter(([name]) => names.test(name));
  return Object.fromEntries(settings) as Record<string, string>;
}

async function succeed(file: string, args: readonly string[], options: RunOptions): Promise<void> {
  const { code, stdout, stderr } = await run(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(" ")}: ${String(code)}\n${stdout}${stderr}`);
}

/** What is compiled into one file for `require`. */
const ENTRIES = ["index", "protocol/index", "validate/index"];

/** What the tarball must hold, by the sources that there are. */
export async function expectedPackageFiles(): Promise<readonly string[]> {
  const files = await readdir(join(EMITTER, "src"), { recursive: true });
  const sources = files.filter((name) => name.endsWith(".ts")).map((name) => name.slice(0, -3));
  const built = sources.flatMap((name) => [
    `dist/${name}.js`,
    `dist/${name}.d.ts`,
    `dist/cjs/${name}.d.ts`,
  ]);
  const required = ENTRIES.map((name) => `dist/cjs/${name}.js`);
  const texts = ["package.json", "dist/cjs/package.json", "README.md", "LICENSE"];
  return [...texts, ...built, ...required].sort();
}
