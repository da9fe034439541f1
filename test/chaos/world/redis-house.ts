import { mkdtemp, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startRedis, type RedisServer } from "../../helpers/processes/redis-server.js";
import { patiently, withRedis } from "../judge/history.js";
import type { Random } from "../random.js";
import { Gate } from "./gate.js";

/** What Redis writes to its disk while it runs: nothing, or an append-only file that reaches the disk this often. */
export type Persistence = "nothing" | "always" | "everysec" | "no";

/** A replica that does not hear any more what happens. */
export interface Standby {
  /** Ends the primary, and takes its place with what it has. */
  readonly promote: () => Promise<void>;
  readonly discard: () => Promise<void>;
}

const GIVE_UP_MS = 10_000;
const LOOK_EVERY_MS = 20;
const FILES = "appendonlydir";
/** All of the data is in the append-only file. */
const AT_REST = ["aof_enabled:1", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];

/** One Redis, whoever is it just now, and the ways in which it comes back older than it was. */
export class RedisHouse {
  readonly #persistence: Persistence;
  #onStart: (server: RedisServer) => void = () => undefined;
  #server: RedisServer;
  #dir: string;

  private constructor(persistence: Persistence, server: RedisServer, dir: string) {
    this.#persistence = persistence;
    this.#server = server;
    this.#dir = dir;
  }

  static async start(persistence: Persistence): Promise<RedisHouse> {
    const dir = await mkdtemp(join(tmpdir(), "inthon-redis-house-"));
    const server = await startRedis({ dir, ...settingsOf(persistence) });
    return new RedisHouse(persistence, server, dir);
  }

  /** Told of each process, from the present one on. One listener. */
  onStart(listener: (server: RedisServer) => void): void {
    this.#onStart = listener;
    listener(this.#server);
  }

  /** Past all gates. */
  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get server(): RedisServer {
    return this.#server;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Starts it again with all that it had written. */
  async restart(): Promise<void> {
    await this.#server.restart();
    this.#onStart(this.#server);
  }

  /** Starts it again without anything. */
  async restartEmpty(): Promise<void> {
    await this.#server.end("SIGKILL");
    await rm(join(this.#dir, FILES), { recursive: true, force: true });
    await rm(join(this.#dir, "dump.rdb"), { force: true });
    await this.restart();
  }

  /** To be gone back to by {@link RedisHouse.restartFromSnapshot}. */
  async takeSnapshot(): Promise<void> {
    await this.command(["SAVE"]);
  }

  /** Starts it again with the last snapshot: everything later is lost. */
  async restartFromSnapshot(): Promise<void> {
    await this.#server.end("SIGKILL");
    await rm(join(this.#dir, FILES), { recursive: true, force: true });
    await this.#server.restart(["--appendonly", "no"]);
    await this.#persist();
    this.#onStart(this.#server);
  }

  /** The length of the append-only file, in bytes. */
  async fileLength(): Promise<number> {
    return (await stat(await this.#file())).size;
  }

  /** Starts it again with an append-only file that lacks this many bytes at its end. */
  async restartWithoutTail(bytes: number): Promise<void> {
    await this.#server.end("SIGKILL");
    await truncate(await this.#file(), Math.max(0, (await this.fileLength()) - bytes));
    await this.#server.restart();
    // Where the cut is within a transaction, Redis 7.0 does not load its beginning, but leaves it in the file, and loads
    // it at the next start, with all that was written behind it: another fault, and not ours to judge.
    await this.command(["BGREWRITEAOF"]);
    await this.#untilAtRest();
    this.#onStart(this.#server);
  }

  /** Starts a replica, and lets it fall behind from when this resolves on. */
  async startStandby(): Promise<Standby> {
    const line = await Gate.open(() => this.#server.port);
    const dir = await mkdtemp(join(tmpdir(), "inthon-redis-house-"));
    const replication = [
      "--replicaof",
      `127.0.0.1 ${line.port}`,
      "--repl-diskless-sync-delay",
      "0",
    ];
    await this.command(["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    const settings = settingsOf(this.#persistence);
    // It is a primary when it is started again.
    const standby = await startRedis({
      dir,
      ...settings,
      first: [...replication, "--appendonly", "no"],
    });
    const discard = async () => {
      await standby.stop();
      await line.close();
      await rm(dir, { recursive: true, force: true });
    };
    try {
      await until(async () =>
        (await info(standby.url, "replication")).includes("master_link_status:up"),
      );
    } catch (error) {
      await discard();
      throw error;
    }
    line.hang("commands", "both");
    const promote = async () => {
      const primary = this.#server;
      const primaryDir = this.#dir;
      await primary.end("SIGKILL");
      await line.close();
      this.#server = standby;
      this.#dir = dir;
      await this.command(["REPLICAOF", "NO", "ONE"]);
      await this.#persist();
      this.#onStart(standby);
      await rm(primaryDir, { recursive: true, force: true });
    };
    return { promote, discard };
  }

  /** The one after a start without: what it holds is in the file when this resolves. */
  async #persist(): Promise<void> {
    if (this.#persistence === "nothing") return;
    await this.command(["CONFIG", "SET", "appendonly", "yes"]);
    await this.#untilAtRest();
  }

  /** Resolves when the append-only file holds all, and nothing that was before. */
  async #untilAtRest(): Promise<void> {
    await until(async () => {
      const text = await info(this.url, "persistence");
      return AT_REST.every((line) => text.includes(line));
    });
  }

  /** The part of the append-only file that is written to. */
  async #file(): Promise<string> {
    const dir = join(this.#dir, FILES);
    const manifest = await readFile(join(dir, "appendonly.aof.manifest"), "utf8");
    const name = manifest
      .split("\n")
      .findLast((line) => line.endsWith("type i"))
      ?.split(" ")[1];
    if (name === undefined) throw new Error("the append-only file has no part that is written to");
    return join(dir, name);
  }

  /** One command over a connection of its own, again where another fault breaks that. */
  async command(args: readonly string[]): Promise<unknown> {
    return patiently(() => withRedis(this.url, (client) => client.sendCommand(args)));
  }
}

/** How many bytes of what was appended since then the file may lack: one at least, so that something is gone. */
export function chooseTail(random: Random, appended: number): number {
  return random.between(1, Math.max(1, appended));
}

function settingsOf(persistence: Persistence) {
  return persistence === "nothing"
    ? {}
    : { appendOnly: true, args: ["--appendfsync", persistence] };
}

function info(url: string, section: string): Promise<string> {
  return patiently(() => withRedis(url, (client) => client.info(section)));
}

async function until(ask: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + GIVE_UP_MS;
  while (!(await ask())) {
    if (Date.now() > giveUpAt) throw new Error(`Redis was not as it should be in ${GIVE_UP_MS} ms`);
    await delay(LOOK_EVERY_MS);
  }
}
