import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.js";
import { onPort } from "./ports.js";
import { type Exit, Launched } from "./server-process.js";
import { redisFile, type RedisProgram } from "../tools/redis-programs.js";

export interface RedisOptions {
  /** By default the one that this run of tests is about. */
  readonly program?: RedisProgram | undefined;
  /** By default any free port. */
  readonly port?: number | undefined;
  /** Keeps the data across a restart. Without it a restart is a loss of memory. */
  readonly appendOnly?: boolean;
  /** Where the data lies; by default a temporary directory, which `stop` removes. */
  readonly dir?: string;
  /** More arguments, such as `["--maxmemory", "10mb"]`. */
  readonly args?: readonly string[];
  /** Arguments of the first start alone. */
  readonly first?: readonly string[];
  /** Words in front of the program, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[];
}

/** Starts a Redis server on 127.0.0.1, and resolves when it answers. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const file = await redisFile(options.program);
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "inthon-redis-")));
  const ownDir = options.dir === undefined ? dir : undefined;
  try {
    return await onPort(options.port, async (port) => {
      const args = argumentsOf(options, port, dir);
      const { launcher = [], first = [] } = options;
      const process = await run(file, [...args, ...first], launcher);
      return new RedisServer({ port, file, args, launcher, ownDir, process });
    });
  } catch (error) {
    if (ownDir !== undefined) await rm(ownDir, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

interface RedisParts {
  readonly port: number;
  readonly file: string;
  readonly args: readonly string[];
  readonly launcher: readonly string[];
  readonly ownDir: string | undefined;
  readonly process: Launched;
}

/** A Redis server of our own, to be killed, frozen and restarted. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #parts: RedisParts;
  #process: Launched;

  /** @internal Use {@link startRedis}. */
  constructor(parts: RedisParts) {
    this.port = parts.port;
    this.url = `redis://127.0.0.1:${parts.port}`;
    this.#parts = parts;
    this.#process = parts.process;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when the present process has ended. */
  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  output(): string {
    return this.#process.output();
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#process.kill(signal);
  }

  /** Freezes the process: its connections stay open, and nothing answers. */
  pause(): void {
    this.kill("SIGSTOP");
  }

  resume(): void {
    this.kill("SIGCONT");
  }

  /** Ends it by a signal, and resolves when it has ended: what its directory holds may then be changed. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.kill(signal);
    await this.exited;
  }

  /**
   * Starts it again, if need be after it has stopped, with the same port and directory.
   *
   * @param once - arguments of this start alone
   */
  async restart(once: readonly string[] = []): Promise<void> {
    await this.#process.stop();
    const { file, args, launcher } = this.#parts;
    this.#process = await run(file, [...args, ...once], launcher);
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    const { ownDir } = this.#parts;
    if (ownDir !== undefined) await rm(ownDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function argumentsOf(options: RedisOptions, port: number, dir: string): readonly string[] {
  const settings: Record<string, string> = {
    bind: "127.0.0.1",
    port: String(port),
    dir,
    save: "",
    appendonly: options.appendOnly === true ? "yes" : "no",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return [...args, ...(options.args ?? [])];
}

async function run(
  file: string,
  args: readonly string[],
  launcher: readonly string[],
): Promise<Launched> {
  const process = await Launched.start(file, args, { launcher });
  // Redis says so after it has read its data, and then answers every command. Its cluster and
  // sentinel modes use the same words, or "Sentinel ID is".
  await process.waitForLine(
    (line) => /Ready to accept connections|Sentinel ID is/.test(line) || undefined,
  );
  return process;
}

/** A connection to Redis, as far as asking for its state needs. */
interface Admin {
  info(section: string): Promise<string>;
}

/**
 * Resolves when a replica has all that its primary has now. `WAIT` would not do: it waits for what the connection that
 * asks has written itself.
 */
export async function replicated(primary: Admin, replica: Admin): Promise<void> {
  const written = offsetIn(await primary.info("replication"), "master_repl_offset");
  await eventually(async () => {
    const had = offsetIn(await replica.info("replication"), "slave_repl_offset");
    return had >= written;
  });
}

function offsetIn(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(info)?.[1] ?? NaN);
}
