import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type RedisClientOptions } from "redis";
import type { Owner } from "./ends.js";
import { eventually } from "../eventually.js";
import { freePort } from "../processes/ports.js";
import { Launched } from "../processes/server-process.js";
import { redisFile, type RedisProgram } from "../tools/redis-programs.js";

/** What they call the primary. */
export const PRIMARY_NAME = "classroom";
const DOWN_AFTER_MS = 1_000;

export interface Sentinel {
  readonly port: number;
  readonly process: Launched;
  /** Asks it, by a `SENTINEL` command. */
  readonly ask: (...args: string[]) => Promise<unknown>;
  readonly askAnything: (...words: string[]) => Promise<unknown>;
}

export interface SentinelOptions {
  readonly count?: number;
  /** How many replicas of the primary they are to know. */
  readonly replicas?: number;
  /** More lines of each one's configuration, if need be by its number. */
  readonly lines?: readonly string[] | ((sentinel: number) => readonly string[]);
  /** Their own, if `lines` sets one. */
  readonly password?: string;
  /** How the helper itself asks the one at a port, if not by `password`. */
  readonly admin?: (port: number) => RedisClientOptions;
  /** By default the one that this run of tests is about. */
  readonly program?: RedisProgram | undefined;
}

/** Starts Sentinels that watch a primary, and resolves when each of them knows the others and the replicas. */
export async function startSentinels(
  t: Owner,
  primaryPort: number,
  options: SentinelOptions = {},
): Promise<readonly Sentinel[]> {
  const { count = 3, replicas = 1, lines = [], password = "", admin, program } = options;
  const file = await redisFile(program);
  const dir = await mkdtemp(join(tmpdir(), "inthon-sentinels-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const sentinels: Sentinel[] = [];
  for (let i = 0; i < count; i++) {
    const port = await freePort();
    const config = join(dir, `sentinel-${String(i)}.conf`);
    await writeFile(
      config,
      [
        `port ${String(port)}`,
        "bind 127.0.0.1",
        `dir ${dir}`,
        `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${String(primaryPort)} 2`,
        `sentinel down-after-milliseconds ${PRIMARY_NAME} ${String(DOWN_AFTER_MS)}`,
        `sentinel failover-timeout ${PRIMARY_NAME} 6000`,
        ...(typeof lines === "function" ? lines(i) : lines),
        "",
      ].join("\n"),
    );
    const process = await Launched.start(file, [config, "--sentinel"]);
    t.teardown(() => process.stop());
    await process.waitForLine((line) => line.includes("Sentinel ID is") || undefined);
    const client = createClient(
      admin?.(port) ?? {
        socket: { host: "127.0.0.1", port },
        ...(password !== "" && { password }),
      },
    );
    client.on("error", () => undefined);
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    const askAnything = (...words: string[]) => client.sendCommand<unknown>(words);
    const ask = (...words: string[]) => askAnything("SENTINEL", ...words);
    sentinels.push({ port, process, ask, askAnything });
  }
  await eventually(async () => {
    const states = await Promise.all(sentinels.map(({ ask }) => ask("MASTER", PRIMARY_NAME)));
    return states.every((state) => {
      const { "num-slaves": slaves, "num-other-sentinels": others } = state as Record<
        string,
        string
      >;
      return Number(slaves) >= replicas && Number(others) >= count - 1;
    });
  });
  return sentinels;
}

/** The URL of the Redis that they watch. */
export function urlOf(sentinels: readonly Sentinel[], user = ""): string {
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${String(port)}`);
  return `redis+sentinel://${user}${hosts.join(",")}/${PRIMARY_NAME}`;
}
