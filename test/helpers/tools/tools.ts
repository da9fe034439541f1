import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.js";

/** The programs that are not npm packages, and that tests need. */
export const TOOLS = [
  "redis-server",
  "haproxy",
  "nginx",
  "chromium",
  "kubectl",
  "curl",
  "openssl",
  "promtool",
  "firefox",
  "java",
] as const;
export type Tool = (typeof TOOLS)[number];

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
  curl: { binaries: ["curl"], package: "curl" },
  openssl: { binaries: ["openssl"], package: "openssl" },
  promtool: { binaries: ["promtool"], package: "prometheus", service: "prometheus" },
  firefox: { binaries: ["firefox-esr", "firefox"], package: "firefox-esr" },
  java: { binaries: ["java"], package: "default-jdk-headless" },
};

/**
 * Which tools could not be installed, and why, as JSON: the test runner has tried it for all of its test files, which
 * then need not try it each.
 */
const MISSING_TOOLS = "INTHON_MISSING_TOOLS";

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

/** A program is not there. The message is one line: what is missing, why, and what to do. */
export class MissingToolError extends Error {
  override readonly name = "MissingToolError";
  readonly reason: string;

  constructor(tool: Tool, reason: string, cause?: unknown) {
    const { package: name, binaries } = sources[tool];
    super(`${tool} ${reason}: run \`apt-get install ${name}\`, or put ${binaries[0]} on the PATH`, {
      cause,
    });
    this.reason = reason;
  }
}

/**
 * Finds the program, or installs it where that is possible without asking (root, with apt-get).
 *
 * @throws MissingToolError
 */
export async function ensureTool(tool: Tool, options: EnsureToolOptions = {}): Promise<string> {
  const found = findTool(tool);
  if (found !== undefined) return found;

  const knownReason = missingTools()[tool];
  if (knownReason !== undefined) throw new MissingToolError(tool, knownReason);
  if (process.getuid?.() !== 0 || findProgram(["apt-get"]) === undefined) {
    throw new MissingToolError(tool, "is not installed");
  }

  const { package: name, binaries, service } = sources[tool];
  options.onInstall?.(`${tool} is not installed: installing the package ${name}`);
  try {
    await aptInstall({ name, binary: binaries[0], service }, searchPath());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MissingToolError(tool, `could not be installed (${why})`, cause);
  }
  const installed = findTool(tool);
  if (installed === undefined) throw new MissingToolError(tool, `is not in the package ${name}`);
  return installed;
}

/**
 * Installs what is missing of the tools. What cannot be installed is remembered, for this process and those that it
 * starts with its environment: {@link ensureTool} then throws at once.
 *
 * @param print - told one line for each tool that is installed, or that cannot be
 */
export async function installTools(
  tools: readonly Tool[],
  print: (line: string) => void,
): Promise<void> {
  for (const tool of tools) {
    try {
      await ensureTool(tool, { onInstall: print });
    } catch (error) {
      if (!(error instanceof MissingToolError)) throw error;
      print(error.message);
      process.env[MISSING_TOOLS] = JSON.stringify({ ...missingTools(), [tool]: error.reason });
    }
  }
}

function missingTools(): Partial<Record<Tool, string>> {
  return JSON.parse(process.env[MISSING_TOOLS] ?? "{}") as Partial<Record<Tool, string>>;
}

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
