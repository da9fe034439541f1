import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { EventEmitter, on, once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onPort } from "./ports.js";
import { findProgram } from "../tools/tools.js";

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const maxOutputLength = 256 * 1024;
const faultLines = 20;

/** What `npm start` runs, in the place of its shell: node's options, and the server as it was built. */
export const START_COMMAND: readonly string[] = (
  JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    scripts: { start: string };
  }
).scripts.start
  .replace(/^exec /, "")
  .split(" ");
const OUR_PROGRAM = [
  ...START_COMMAND.slice(1, -1),
  fileURLToPath(new URL(`../../../${START_COMMAND.at(-1) ?? ""}`, import.meta.url)),
];

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LaunchOptions {
  /** The whole environment; by default no more than PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of its stdout and stderr. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Words in front of the program, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[] | undefined;
  /** Called with each message of a Node.js program that talks over IPC, which only then it can. */
  readonly onMessage?: ((message: unknown) => void) | undefined;
}

/** The environment that a child needs from ours. Everything else would make tests depend on it. */
export function minimalEnvironment(): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME };
}

/** A child process that cannot outlive us, whose output is kept, within a limit. */
export class Launched {
  /** Resolves when it has ended, however it ended. */
  readonly exited: Promise<Exit>;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #lines = new EventEmitter();
  #output = "";
  #hadToBeKilled = false;

  private constructor(
    child: ChildProcess,
    pid: number,
    command: string,
    onLine?: (line: string) => void,
  ) {
    this.#child = child;
    this.#command = command;
    this.pid = pid;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.#output = `${this.#output}${line}\n`.slice(-maxOutputLength);
        this.#lines.emit("line", line);
        onLine?.(line);
      });
    }
    // Later than "exit": by then all of its output has come, which says why it ended.
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        living.delete(this);
        this.#lines.emit("end");
        resolve({ code, signal });
      });
    });
    living.add(this);
  }

  static async start(
    file: string,
    args: readonly string[],
    options: LaunchOptions = {},
  ): Promise<Launched> {
    const env = options.env ?? minimalEnvironment();
    // tap loads itself into every process that a test starts, by NODE_OPTIONS: not into ours.
    const nodeOptions = `NODE_OPTIONS=${env["NODE_OPTIONS"] ?? ""}`;
    const { launcher = [], onMessage } = options;
    const child = spawn("env", [nodeOptions, ...boundToParent, ...launcher, file, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe", ...(onMessage === undefined ? [] : ["ipc" as const])],
      // In a process group of its own, a Ctrl-C in the terminal reaches only us: we set the order.
      detached: true,
    });
    if (child.pid === undefined) {
      const [error] = (await once(child, "error")) as [Error];
      throw new Error(`${file} could not be started: ${error.message}`, { cause: error });
    }
    if (onMessage !== undefined) child.on("message", onMessage);
    return new Launched(child, child.pid, [file, ...args].join(" "), options.onLine);
  }

  /** Whether {@link Launched.stop} lost its patience. */
  get hadToBeKilled(): boolean {
    return this.#hadToBeKilled;
  }

  /** The newest 256 KB of its stdout and stderr. */
  output(): string {
    return this.#output;
  }

  /**
   * Resolves with what `find` makes of the first coming line that it knows. Without such a line it
   * is ended, and its output is the error.
   */
  async waitForLine<T>(find: (line: string) => T | undefined): Promise<T> {
    const timeout = AbortSignal.timeout(startTimeoutMs);
    try {
      for await (const [line] of on(this.#lines, "line", { signal: timeout, close: ["end"] })) {
        const found = find(String(line));
        if (found !== undefined) return found;
      }
    } catch (error) {
      if (!timeout.aborted) throw error;
    }
    this.kill("SIGKILL");
    const { exitCode, signalCode } = this.#child;
    const what = timeout.aborted
      ? `was not ready within ${startTimeoutMs / 1000} s`
      : `ended with ${signalCode ?? exitCode ?? "nothing"} before it was ready`;
    throw new Error(`${this.#command} ${what}:\n${this.#output}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a message to a program that was started with `onMessage`. One that is gone gets nothing. */
  send(message: object): void {
    // Whoever waits for an answer is told by `exited`.
    this.#child.send(message, () => undefined);
  }

  /** Ends it with SIGTERM, also when it is paused; with SIGKILL if that takes more than 10 s. */
  async stop(): Promise<Exit> {
    this.kill("SIGTERM");
    this.kill("SIGCONT");
    const timer = setTimeout(() => {
      this.#hadToBeKilled = true;
      this.kill("SIGKILL");
    }, stopTimeoutMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }
}

const living = new Set<Launched>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

/**
 * Where Linux offers it, the kernel kills the child when we are killed: a test that runs into its
 * time limit leaves nothing behind.
 */
const boundToParent = ((): readonly string[] => {
  const setpriv = findProgram(["setpriv"]);
  if (setpriv === undefined) return [];
  const prefix = [setpriv, "--pdeathsig", "KILL"];
  const works = spawnSync(setpriv, [...prefix.slice(1), "true"], { stdio: "ignore" }).status === 0;
  return works ? prefix : [];
})();

export interface ServerOptions {
  /** Added to HOST, PORT and LOG_LEVEL, and to a NODE_ID of its own. */
  readonly env?: Readonly<Record<string, string>>;
  /** By default any free port. */
  readonly port?: number | undefined;
  /** The program to run instead of the built server. */
  readonly main?: string;
  /** The node binary, and its arguments; by default our own, without any. */
  readonly node?: { readonly path: string; readonly args: readonly string[] };
  /** Words in front of the program, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[];
  /** Called with each line that the server logs. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** Starts a replica as a process of its own, and resolves when it listens. */
export async function startServer(options: ServerOptions = {}): Promise<ServerProcess> {
  return onPort(options.port, async (port) => {
    const server = new ServerProcess(options, port);
    await server.start();
    return server;
  });
}

/** A replica on 127.0.0.1, as `npm start` runs it. */
export class ServerProcess {
  readonly nodeId: string;
  readonly #options: ServerOptions;
  readonly #env: Record<string, string>;
  #url: string;
  #process: Launched | undefined;

  /** @internal Use {@link startServer}. */
  constructor(options: ServerOptions, port: number) {
    this.nodeId = options.env?.["NODE_ID"] ?? `node-${randomBytes(4).toString("hex")}`;
    this.#options = options;
    this.#url = `http://127.0.0.1:${port}`;
    this.#env = {
      ...minimalEnvironment(),
      LOG_LEVEL: "info",
      // Most tests have no balancer that has to notice.
      DRAIN_DELAY_MS: "0",
      DRAIN_SPREAD_MS: "0",
      ...options.env,
      HOST: "127.0.0.1",
      NODE_ID: this.nodeId,
    };
  }

  /** @internal */
  async start(): Promise<void> {
    const { main, onLine, node, launcher } = this.#options;
    const env = { ...this.#env, PORT: String(this.port) };
    const { path, args } = node ?? { path: process.execPath, args: [] };
    const program = main === undefined ? OUR_PROGRAM : [main];
    this.#process = await Launched.start(path, [...args, ...program], { env, onLine, launcher });
    this.#url = await this.#process.waitForLine(urlOfListening);
  }

  get url(): string {
    return this.#url;
  }

  get port(): number {
    return Number(new URL(this.#url).port);
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** Resolves when the present process has ended. */
  get exited(): Promise<Exit> {
    return this.#running.exited;
  }

  /** The newest lines that the present process has logged. */
  output(): string {
    return this.#running.output();
  }

  /** Resolves with what `find` makes of the first coming line that it knows. */
  async waitForLine<T>(find: (line: string) => T | undefined): Promise<T> {
    return this.#running.waitForLine(find);
  }

  kill(signal: NodeJS.Signals): void {
    this.#running.kill(signal);
  }

  /** Freezes the process: its connections stay open, and nothing answers. */
  pause(): void {
    this.kill("SIGSTOP");
  }

  resume(): void {
    this.kill("SIGCONT");
  }

  /**
   * Ends it as Kubernetes does: SIGTERM, and SIGKILL after 10 s. Nothing happens if it is gone.
   *
   * @throws where it has not ended well, now or before: by an unhandled rejection, or only by SIGKILL. So this fails the
   *   test whose teardown it is.
   */
  async stop(): Promise<Exit> {
    const running = this.#running;
    const exit = await running.stop();
    const isGood = exit.code === 0 || exit.code === null;
    if (isGood && !running.hadToBeKilled) return exit;
    const how = isGood ? "did not end within 10 s" : `ended with exit code ${exit.code}`;
    const log = running.output().split("\n").slice(-faultLines).join("\n");
    throw new Error(`${this.nodeId} ${how}; the end of its log:\n${log}`);
  }

  /** Starts it again, if need be after it has stopped, with the same port, NODE_ID and env. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  get #running(): Launched {
    if (this.#process === undefined) throw new Error("The server has not been started");
    return this.#process;
  }
}

function urlOfListening(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry = JSON.parse(line) as { msg?: unknown; url?: unknown };
    return entry.msg === "listening" && typeof entry.url === "string" ? entry.url : undefined;
  } catch {
    return undefined; // not a log entry: something that wrote to stdout by itself
  }
}
