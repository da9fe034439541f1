import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { randomFrom } from "../chaos/random.js";
import { CLIENT_KINDS, join, type Client } from "../helpers/clients/clients.js";
import { post } from "../helpers/processes/environments.js";
import { freePort } from "../helpers/processes/ports.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer, type Exit, type ServerProcess } from "../helpers/processes/server-process.js";
import { startTcpProxy, type TcpProxy } from "../helpers/tcp-proxy.js";
import { readSizes } from "./readers/options.js";

const DELAY_MS = 200;
const SPREAD_MS = 300;
/** The reserve that the README promises; the process itself takes the double. */
const LONGEST_MS = DELAY_MS + SPREAD_MS + 7_000;
const LATENCY_MS = 40;
/** From the first sign of life until long after everything is under way. */
const LATEST_MOMENT_MS = 600;
const PUBLISHERS = 4;
const WARNINGS = /unhandled|uncaught|ended by|MaxListeners|"level":60/i;

/** How Redis is when the signal comes. Half of the time it works. */
const STATES = ["works", "works", "works", "is slow", "hangs", "is away"] as const;

/** How replicas ended. */
export interface SigtermReport {
  readonly ended: number;
  /** What was wrong, in a line each. */
  readonly faults: readonly string[];
  readonly slowestMs: number;
}

/**
 * `npm run drill -- sigterm --times 200 --seed 1`: ends replicas at random moments, while clients come and publishers
 * publish, and Redis works, is slow, hangs or is away.
 *
 * @returns whether all ended in order and in time
 */
export async function runSigterm(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const { times, seed } = readSizes(args, { times: 200, seed: 1 });
  const report = await sigterm({ times, seed });
  for (const fault of report.faults) print(fault);
  print(
    `${String(report.ended)} replicas ended, ${String(report.faults.length)} not as they should; ` +
      `the slowest after ${(report.slowestMs / 1_000).toFixed(1)} s, of which ${String(DELAY_MS + SPREAD_MS)} ms are set`,
  );
  return report.faults.length === 0;
}

export async function sigterm(options: {
  readonly times: number;
  readonly seed: number;
}): Promise<SigtermReport> {
  const random = randomFrom(options.seed);
  const redis = await startRedis();
  const faults: string[] = [];
  let slowestMs = 0;
  try {
    for (let i = 0; i < options.times; i++) {
      const state = random.pick(STATES);
      const momentMs = random.between(0, LATEST_MOMENT_MS);
      const { exit, tookMs, output } = await endOne(redis.url, state, momentMs);
      slowestMs = Math.max(slowestMs, tookMs);
      const what = `${String(i + 1)}: Redis ${state}, ${String(momentMs)} ms after the start`;
      if (exit.code !== 0) faults.push(`${what}: exit ${String(exit.code ?? exit.signal)}`);
      if (tookMs > LONGEST_MS) faults.push(`${what}: took ${String(Math.round(tookMs))} ms`);
      const warning = output.split("\n").find((line) => WARNINGS.test(line));
      if (warning !== undefined) faults.push(`${what}: ${warning}`);
    }
  } finally {
    await redis.stop();
  }
  return { ended: options.times, faults, slowestMs };
}

async function endOne(
  redisUrl: string,
  state: (typeof STATES)[number],
  momentMs: number,
): Promise<{ exit: Exit; tookMs: number; output: string }> {
  const proxy = await startTcpProxy(Number(new URL(redisUrl).port));
  if (state === "is slow") proxy.latencyMs = LATENCY_MS;
  const server = await startServer({
    env: {
      REDIS_URL: `redis://127.0.0.1:${String(proxy.port)}`,
      LEASE_MS: "2000",
      REDIS_LINK_TIMEOUT_MS: "500",
      DRAIN_DELAY_MS: String(DELAY_MS),
      DRAIN_SPREAD_MS: String(SPREAD_MS),
    },
  });
  const stop = new AbortController();
  const traffic = bustle(server, stop.signal);
  await delay(momentMs / 2);
  await fail(proxy, state);
  await delay(momentMs / 2);
  const startedAt = performance.now();
  server.kill("SIGTERM");
  const late = setTimeout(() => {
    server.kill("SIGKILL");
  }, 3 * LONGEST_MS);
  const exit = await server.exited;
  clearTimeout(late);
  const tookMs = performance.now() - startedAt;
  stop.abort();
  await traffic;
  await proxy.stop();
  return { exit, tookMs, output: server.output() };
}

async function fail(proxy: TcpProxy, state: (typeof STATES)[number]): Promise<void> {
  if (state === "hangs") {
    proxy.hang();
    proxy.hangNew();
  } else if (state === "is away") {
    proxy.leadTo(await freePort());
    proxy.cut();
  }
}

/** Clients of every kind come and go, teachers among them, and others publish, until that is over. */
async function bustle({ url }: ServerProcess, signal: AbortSignal): Promise<void> {
  const session = randomUUID();
  const clients: Client[] = [];
  const comers = CLIENT_KINDS.flatMap((kind) =>
    (["teacher", "student"] as const).map(async (role) => {
      // Whoever is not let in any more has nothing to tell.
      await join({ url, session, role, kind }).then(
        (client) => clients.push(client),
        () => undefined,
      );
    }),
  );
  const publishers = Array.from({ length: PUBLISHERS }, async () => {
    while (!signal.aborted) {
      const isAnswered = await post(url, session, { event: "hard_alert", capture_url: null }).then(
        async (answer) => answer.text().then(() => true),
        () => false,
      );
      if (!isAnswered) return;
    }
  });
  await Promise.all(publishers);
  await Promise.all(comers);
  await Promise.all(clients.map((client) => client.close()));
}
