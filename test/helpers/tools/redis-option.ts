import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { REDIS_KIND, REDIS_SECURED, type RedisKind } from "../deployments/kinds.js";
import { OptionError } from "./other-node.js";
import { ensureRedis, REDIS_PROGRAM, REDIS_PROGRAMS, type RedisProgram } from "./redis-programs.js";

/** What a run of the tests may be about: a program on its own, or Redis 7 in another deployment. */
const CHOICES = [...REDIS_PROGRAMS, "sentinel", "cluster"] as const;
type Choice = (typeof CHOICES)[number];

/** Where the tests are of what is promised on every Redis. */
const FOLDERS = ["contract", "delivery", "presence", "resume"];

/** So many processes need longer where they have few processors. What is said behind it counts. */
const PATIENT = ["--timeout=300"];

/** One run of the tests. */
export interface RedisRun {
  /** Undefined for the ordinary one. */
  readonly name: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Takes `--redis KIND` (`redis7`, `redis8`, `valkey8`, `sentinel`, `cluster`, `all`) and `--secure` out of the arguments. Where they
 * name no file, such a run is of all tests that hold on its Redis.
 *
 * @throws OptionError where there is no such kind; MissingRedisError where its program cannot be had
 */
export async function takeRedis(
  args: readonly string[],
  root: string,
  print: (line: string) => void,
): Promise<readonly RedisRun[]> {
  const wanted = valueOf(args);
  if (wanted === undefined) {
    if (args.includes("--secure")) throw new OptionError("--secure goes with --redis KIND");
    return [{ name: undefined, args, env: {} }];
  }
  const choices = wanted === "all" ? CHOICES : CHOICES.filter((choice) => choice === wanted);
  if (choices.length === 0) {
    throw new OptionError(`--redis must be followed by one of ${[...CHOICES, "all"].join(", ")}`);
  }
  const isSecured = args.includes("--secure");
  const rest = args.filter(
    (arg, i) => arg !== "--secure" && !arg.startsWith("--redis") && args[i - 1] !== "--redis",
  );
  const hasFiles = rest.some((arg) => !arg.startsWith("-"));
  const runs: RedisRun[] = [];
  for (const choice of choices) {
    const { kind, program } = partsOf(choice);
    await ensureRedis(program, print);
    runs.push({
      name: isSecured ? `${choice}, secured` : choice,
      args: [...PATIENT, ...rest, ...(hasFiles ? [] : filesFor(kind, isSecured, root))],
      env: {
        [REDIS_KIND]: kind,
        [REDIS_PROGRAM]: program,
        ...(isSecured && { [REDIS_SECURED]: "yes" }),
      },
    });
  }
  return runs;
}

function valueOf(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === "--redis" || arg.startsWith("--redis="));
  const option = args[at];
  if (option === undefined) return undefined;
  return option === "--redis" ? (args[at + 1] ?? "") : option.slice("--redis=".length);
}

function partsOf(choice: Choice): { kind: RedisKind; program: RedisProgram } {
  return choice === "sentinel" || choice === "cluster"
    ? { kind: choice, program: "redis7" }
    : { kind: "standalone", program: choice };
}

const LEAVES_IT_TO_THE_RUN = /\b(?:startDeployment|startOnRedis)\b|returning-redis/;
const STARTS_REDIS = /\b(?:startRedis|startCluster)\b/;

/**
 * On its own, every test that has a Redis can have this one. In another deployment, and where only certain users may do anything,
 * those that leave it to the run what they get.
 */
function filesFor(kind: RedisKind, isSecured: boolean, root: string): readonly string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, "test", folder))
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => join("test", folder, file)),
  ).filter((file) => {
    const source = readFileSync(join(root, file), "utf8");
    if (/\bENVIRONMENTS\b/.test(source)) return true;
    if (isSecured) return false;
    if (LEAVES_IT_TO_THE_RUN.test(source) && !source.includes('kind: "standalone"')) return true;
    return (
      kind === "standalone" && (LEAVES_IT_TO_THE_RUN.test(source) || STARTS_REDIS.test(source))
    );
  });
}
