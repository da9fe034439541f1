import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The arguments that are left, and the environment in which `node` is the one that they named. */
export interface OtherNode {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A bad option; the message is one line that says what to do. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/**
 * Takes `--node PATH` out of the arguments. With its environment everything runs on that Node.js, whatever its file is
 * called: tap with the tests in it, and all that they start, by `process.execPath` or by `node` on the PATH.
 *
 * @param dir - where the name `node` for it is put, until this process ends
 * @throws OptionError where PATH is not a Node.js that runs here
 */
export function takeOtherNode(args: readonly string[], dir: string): OtherNode {
  const at = args.findIndex((arg) => arg === "--node" || arg.startsWith("--node="));
  const option = args[at];
  if (option === undefined) return { args, env: process.env };
  const isPair = option === "--node";
  const path = isPair ? (args[at + 1] ?? "") : option.slice("--node=".length);
  const { status, stdout } = spawnSync(path || "/nonexistent", ["--version"], { encoding: "utf8" });
  if (status !== 0 || !/^v\d+\./.test(stdout)) {
    throw new OptionError(
      `--node must be followed by the path of a node that runs here, not "${path}"`,
    );
  }
  mkdirSync(dir, { recursive: true });
  process.once("exit", () => {
    rmSync(dir, { recursive: true, force: true });
  });
  symlinkSync(realpathSync(path), join(dir, "node"));
  return {
    args: args.toSpliced(at, isPair ? 2 : 1),
    env: { ...process.env, PATH: [dir, process.env["PATH"] ?? ""].join(delimiter) },
  };
}
