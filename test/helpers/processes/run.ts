import { execFile } from "node:child_process";
import { minimalEnvironment } from "./server-process.js";

const TIMEOUT_MS = 60_000;

/** How a program ended, and what it wrote. */
export interface Outcome {
  /** Its exit code, or the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to PATH and HOME, which is all that it gets of ours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. An exit code other than 0 is no error: it is for the test to judge. */
export async function run(
  file: string,
  args: readonly string[],
  { cwd, env }: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {
      env: { ...minimalEnvironment(), ...env },
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      maxBuffer: 16 * 1024 * 1024,
      ...(cwd === undefined ? {} : { cwd }),
    } as const;
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      const { exitCode, signalCode } = child;
      resolve({ code: exitCode ?? signalCode ?? error?.message ?? "unknown", stdout, stderr });
    });
  });
}
