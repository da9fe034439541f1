import { fileURLToPath } from "node:url";
import { cpuSeconds } from "../helpers/process-cost.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { readSizes } from "./readers/options.js";

const STOCK = fileURLToPath(new URL("../bench/servers/stock-server.mjs", import.meta.url));

/**
 * `npm run drill -- boot --times 10`: how long a replica takes until it listens, ours with the documents at `/docs` and
 * without, and the stock server in turn, and how much of a processor; of each the median.
 *
 * @returns whether all started
 */
export async function runBoot(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const { times } = readSizes(args, { times: 10 });
  const redis = await startRedis();
  const found = { ours: [] as Boot[], "ours, DOCS=off": [] as Boot[], stock: [] as Boot[] };
  try {
    for (let i = 0; i < times; i++) {
      found.ours.push(await boot({ REDIS_URL: redis.url, DOCS: "on" }));
      found["ours, DOCS=off"].push(await boot({ REDIS_URL: redis.url, DOCS: "off" }));
      found.stock.push(await boot({ REDIS_URL: redis.url }, STOCK));
    }
  } finally {
    await redis.stop();
  }
  for (const [name, boots] of Object.entries(found)) {
    const wallMs = median(boots.map((one) => one.wallMs));
    const cpuMs = median(boots.map((one) => one.cpuMs));
    print(`${name.padEnd(14)} listens after ${String(wallMs)} ms, ${String(cpuMs)} ms of CPU`);
  }
  return true;
}

interface Boot {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function boot(env: Readonly<Record<string, string>>, main?: string): Promise<Boot> {
  const startedAt = performance.now();
  const server = await startServer({
    env,
    ...(main !== undefined && { main }),
  });
  const wallMs = performance.now() - startedAt;
  const cpuMs = 1_000 * (await cpuSeconds(server.pid));
  server.kill("SIGKILL");
  await server.exited;
  return { wallMs, cpuMs };
}

function median(values: number[]): number {
  return Math.round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN);
}
