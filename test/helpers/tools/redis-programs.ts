import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  archiveUnusable,
  bringProgram,
  cachedProgram,
  type ArchivedProgram,
} from "./debian-archive.js";
import { ensureTool, findProgram } from "./tools.js";

/** The programs that the product is tested with. */
export const REDIS_PROGRAMS = ["redis7", "redis8", "valkey8"] as const;
export type RedisProgram = (typeof REDIS_PROGRAMS)[number];

/** By this variable, a run of tests has another program in the place of the `redis-server` that is installed. */
export const REDIS_PROGRAM = "INTHON_REDIS_PROGRAM";

interface ProgramSource {
  /** Names its file, where it is neither on the PATH nor to be brought. */
  readonly variable: string;
  readonly binary: string;
  /** What it says when it is asked for its version. */
  readonly version: RegExp;
  readonly archived: ArchivedProgram;
}

const LIBRARIES = [
  ...["libc6", "libgcc-s1", "libstdc++6", "libatomic1", "libjemalloc2", "liblzf1"],
  ...["libsystemd0", "libcap2", "libzstd1", "zlib1g"],
];

const SOURCES: Record<RedisProgram, ProgramSource> = {
  redis7: {
    variable: "REDIS7_SERVER",
    binary: "redis-server",
    version: /^Redis server v=7\./,
    archived: {
      name: "redis7",
      release: "bookworm",
      packages: [
        ...["redis-server", "redis-tools", ...LIBRARIES, "libssl3"],
        ...["libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5"],
      ],
      file: "usr/bin/redis-server",
    },
  },
  redis8: {
    variable: "REDIS8_SERVER",
    binary: "redis-server",
    version: /^Redis server v=8\./,
    archived: {
      name: "redis8",
      release: "trixie",
      packages: ["redis-server", "redis-tools", ...LIBRARIES, "libssl3t64"],
      file: "usr/bin/redis-server",
    },
  },
  valkey8: {
    variable: "VALKEY8_SERVER",
    binary: "valkey-server",
    version: /^Valkey server v=8\./,
    archived: {
      name: "valkey8",
      release: "trixie",
      packages: ["valkey-server", "valkey-tools", ...LIBRARIES, "libssl3t64"],
      file: "usr/bin/valkey-server",
    },
  },
};

/** It is not there. The message is one line: what is missing, why, and what to do. */
export class MissingRedisError extends Error {
  override readonly name = "MissingRedisError";

  constructor(program: RedisProgram, reason: string, cause?: unknown) {
    const { variable, binary } = SOURCES[program];
    const what = `put its ${binary} on the PATH, or name its file in ${variable}`;
    super(`${program} ${reason}: ${what}`, { cause });
  }
}

/**
 * Finds the program by its variable, on the PATH, or in the cache, else brings it there from Debian's archive.
 *
 * @param onFetch - called with one line before it is downloaded, which takes some seconds
 * @throws MissingRedisError
 */
export async function ensureRedis(
  program: RedisProgram,
  onFetch?: (line: string) => void,
): Promise<string> {
  const { variable, binary, version, archived } = SOURCES[program];
  const named = process.env[variable] ?? "";
  if (named !== "") {
    if (await says(named, version)) return named;
    throw new MissingRedisError(program, `is not what ${variable} names (${named})`);
  }
  const installed = findProgram([binary]);
  if (installed !== undefined && (await says(installed, version))) return installed;
  const cached = cachedProgram(archived);
  if (cached !== undefined) return cached;

  const unusable = archiveUnusable();
  if (unusable !== undefined) throw new MissingRedisError(program, unusable);
  onFetch?.(`${program} is not installed: fetching it from Debian's archive`);
  try {
    const file = await bringProgram(archived);
    if (await says(file, version)) return file;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MissingRedisError(program, `could not be fetched (${why})`, cause);
  }
  throw new MissingRedisError(program, `does not run as Debian's ${archived.release} has it`);
}

/** The file of a program, by default of the one that this run of tests is about. */
export async function redisFile(program?: RedisProgram): Promise<string> {
  const wanted = program ?? process.env[REDIS_PROGRAM] ?? "";
  if (wanted === "") return ensureTool("redis-server");
  return ensureRedis(redisProgramOf(wanted));
}

function redisProgramOf(name: string): RedisProgram {
  const found = REDIS_PROGRAMS.find((program) => program === name);
  if (!found) throw new Error(`${REDIS_PROGRAM}: one of ${REDIS_PROGRAMS.join(", ")}`);
  return found;
}

async function says(file: string, version: RegExp): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)(file, ["--version"], { timeout: 10_000 });
    return version.test(stdout);
  } catch {
    return false;
  }
}
