import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** A program that is not an npm package, and that the tests need. */
export type Tool = "redis-server" | "haproxy" | "nginx" | "chromium" | "kubectl";

interface ToolSource {
  readonly binaries: readonly [string, ...string[]];
  /** Its package in Debian and its descendants. */
  readonly package: string;
  /** The daemon that the package would have the machine start. */
  readonly service?: string;
}

const sources: Record<Tool, ToolSource> = {
  "redis-server": {
    binaries: ["redis-server"],
    package: "redis-server",
    service: "redis-server",
  },
  haproxy: { binaries: ["haproxy"], package: "haproxy", service: "haproxy" },
  nginx: { binaries: ["nginx"], package: "nginx-light", service: "nginx" },
  chromium: {
    binaries: ["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
  },
  kubectl: { binaries: ["kubectl"], package: "kubernetes-client" },
};

/** Directories of daemons, which the PATH of an ordinary user often leaves out. */
const daemonDirectories = ["/usr/sbin", "/usr/local/sbin"];

/** Finds the program on the PATH: its full path, or undefined. */
export function findTool(name: Tool): string | undefined {
  return findProgram(sources[name].binaries);
}

export interface EnsureToolOptions {
  /** Called with one line before a program is installed, which can take a minute. */
  readonly onInstall?: (line: string) => void;
}

/**
 * Finds the program, or installs it where that is possible without asking (root, with apt-get).
 * Otherwise rejects with one line that says what to install.
 */
export async function ensureTool(name: Tool, options: EnsureToolOptions = {}): Promise<string> {
  const found = findTool(name);
  if (found !== undefined) return found;

  const source = sources[name];
  const advice = `run \`apt-get install ${source.package}\`, or put ${source.binaries[0]} on the PATH`;
  if (process.getuid?.() !== 0 || findProgram(["apt-get"]) === undefined) {
    throw new Error(`${name} is not installed: ${advice}`);
  }

  options.onInstall?.(`${name} is not installed: installing the package ${source.package}`);
  const installation = lastInstallation.then(() => install(source));
  lastInstallation = installation.catch(() => undefined);
  try {
    await installation;
  } catch (cause) {
    throw new Error(`${name} could not be installed: ${advice}`, { cause });
  }

  const installed = findTool(name);
  if (installed === undefined) {
    throw new Error(`${name} is not in the package ${source.package}: ${advice}`);
  }
  return installed;
}

/** Installations of this process, one after the other; the lock file orders those of several. */
let lastInstallation: Promise<unknown> = Promise.resolve();
let listsAreFresh = false;

async function install(source: ToolSource): Promise<void> {
  const lockFile = join(tmpdir(), "inthon-install.lock");
  await promisify(execFile)("flock", [lockFile, "sh", "-c", installScript], {
    env: {
      PATH: searchPath().join(delimiter),
      DEBIAN_FRONTEND: "noninteractive",
      BINARY: source.binaries[0],
      PACKAGE: source.package,
      SERVICE: source.service ?? "",
      UPDATE: listsAreFresh ? "" : "yes",
    },
    maxBuffer: 16 * 1024 * 1024,
  });
  listsAreFresh = true;
}

/**
 * Debian starts a daemon as soon as its package is installed, and again at each boot: here it
 * would hold the port that somebody else wants. A policy-rc.d that forbids it is Debian's way to
 * prevent the first; it is taken away again, and one that is already there stays as it is.
 */
const installScript = `
set -e
if command -v "$BINARY" >/dev/null; then exit 0; fi # another process was faster
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
if [ -n "$UPDATE" ]; then apt-get update || echo "The package lists may be old" >&2; fi
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$PACKAGE"
if [ -n "$SERVICE" ] && command -v systemctl >/dev/null; then
  systemctl disable "$SERVICE" || true
fi
`;

/** Finds the first of the named programs that the PATH leads to. */
export function findProgram(names: readonly string[]): string | undefined {
  for (const name of names) {
    for (const directory of searchPath()) {
      const file = join(directory, name);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function searchPath(): string[] {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((part) => part !== "");
  return [...path, ...daemonDirectories];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
