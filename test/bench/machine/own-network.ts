import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { changeKernelSettings } from "./kernel-settings.js";

/** Set in the environment of a benchmark that runs in a network of its own. */
const ENTERED = "INTHON_BENCH_NETWORK";
const TIMEOUT_MS = 10_000;
const STEERING = "/sys/class/net/lo/queues/rx-0/rps_cpus";

/** Steers what comes in over the loopback device to one core, then runs the rest of its words. */
const SCRIPT = `
set -e
ip link set lo up
mount -t sysfs sysfs /sys
echo "$1" >${STEERING}
shift
exec "$@"
`;

export interface OwnNetwork {
  /** One line for the report. */
  readonly note: string;
}

/**
 * On one machine the kernel does the receiver's part of TCP inside the sender's system call, and charges it to the
 * server: about a third of what a delivery then seems to cost, the same for every server. Clients elsewhere would do
 * that work themselves. So the benchmark runs once more, in a network namespace of its own, where receive packet
 * steering (Linux, Documentation/networking/scaling.rst) hands that work to the core of the load; this process waits for
 * it and ends as it does. Meanwhile it keeps {@link changeKernelSettings the kernel's settings} as the benchmark needs them.
 *
 * @param loadCore - undefined where nothing is pinned
 * @returns in the namespace, or where there can be none, which needs root, `unshare`, `ip` and `mount`
 */
export async function enterOwnNetwork(loadCore: number | undefined): Promise<OwnNetwork> {
  if (process.env[ENTERED] !== undefined) {
    return { note: "what clients' kernels do is done on the core of the load" };
  }
  if (loadCore === undefined) return { note: "what clients' kernels do is charged to the servers" };
  // A mask of cores, in hexadecimal.
  const mask = (1n << BigInt(loadCore)).toString(16);
  const words = ["--net", "--mount", "sh", "-c", SCRIPT, "sh", mask];
  const probe = spawnSync("unshare", [...words, "true"], { stdio: "ignore", timeout: TIMEOUT_MS });
  const putBack = probe.status === 0 ? changeKernelSettings() : undefined;
  if (putBack === undefined) {
    const why = "without root, unshare, ip and mount there is no network of its own";
    return { note: `what clients' kernels do is charged to the servers (${why})` };
  }
  const itself = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", [...words, ...itself], {
    stdio: "inherit",
    env: { ...process.env, [ENTERED]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      child.kill(signal);
    });
  }
  try {
    const [code] = (await once(child, "close")) as [number | null];
    process.exitCode = code ?? 1;
  } finally {
    putBack();
  }
  process.exit();
}
