/** `npm run cluster`: Redis, three replicas and a load balancer on this machine, until Ctrl-C. */
import { createConnection } from "node:net";
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "./helpers/processes/cluster.js";
import type { Exit } from "./helpers/processes/server-process.js";
import { isFree } from "./helpers/processes/ports.js";
import { Ends } from "./helpers/topologies/ends.js";
import { startTopology } from "./helpers/topologies/topologies.js";
import type { Topology, TopologyKind } from "./helpers/topologies/topology.js";
import { ensureTool, findTool } from "./helpers/tools/tools.js";

const defaultRedisPort = 6379;
const warnLevel = 40;
const pingTimeoutMs = 1000;
/** What is printed names one session, as the README and the page do. */
const SESSION = "lecture-1";

/** What may be started by `--redis`; without it, the one Redis that runs already will do. */
const KINDS = ["cluster", "sentinel"] as const satisfies TopologyKind[];

let running: Cluster | undefined;
let stopping = false;
/** The nodes of Redis that `--redis` asks for. */
const nodes = new Ends();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
// tsx runs this file as its child: when it is gone, there is nobody left who could end us.
process.once("disconnect", stop);

try {
  await main();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

async function main(): Promise<void> {
  const kind = readKind();
  const host = process.env["HOST"] ?? "127.0.0.1";
  const port = Number(process.env["PORT"] ?? 3000);
  // PORT + 3 is the last replica's.
  if (!Number.isInteger(port) || port < 1 || port > 65_532) {
    fail(`PORT is not a port from 1 to 65532: ${process.env["PORT"] ?? ""}`);
  }
  const replicaPorts = [port + 1, port + 2, port + 3];
  const wanted = [{ port, host }, ...replicaPorts.map((port) => ({ port, host: undefined }))];
  for (const { port, host } of wanted) {
    if (!(await isFree(port, host))) {
      fail(`Port ${port} is taken: with PORT=4000 the cluster uses 4000 to 4003`);
    }
  }

  const runningRedis = kind === undefined ? await findRunningRedis() : undefined;
  if (runningRedis === undefined) await ensureTool("redis-server", { onInstall: print });
  if (findTool("nginx") === undefined) await ensureTool("haproxy", { onInstall: print });

  print("Starting ...");
  const topology = kind === undefined ? undefined : await startTopology(nodes, kind);
  const redisUrl = topology?.url ?? runningRedis;
  const cluster = await startCluster({
    redis:
      redisUrl === undefined
        ? { port: (await isFree(defaultRedisPort)) ? defaultRedisPort : undefined }
        : { url: redisUrl },
    ports: { replicas: replicaPorts, loadBalancer: port },
    loadBalancer: true,
    host,
    env: settings(),
    onLine: printProblem,
    door: {
      onRestart(replica, error) {
        print(
          error === undefined
            ? `${replica.nodeId} has been started again`
            : `${replica.nodeId} could not be started again: ${error.message}`,
        );
        if (error === undefined) reportDeath(replica.nodeId, replica.exited);
      },
    },
  });
  running = cluster;
  reportDeaths(cluster, redisUrl === undefined, topology);
  const origin = runningRedis === undefined ? "started for this" : "was running";
  await introduce(cluster, host, topology ?? origin);
}

function readKind(): (typeof KINDS)[number] | undefined {
  const { REDIS_URL: url = "" } = process.env;
  try {
    const { redis } = parseArgs({ options: { redis: { type: "string" } } }).values;
    if (redis === undefined) return undefined;
    const kind = KINDS.find((kind) => kind === redis);
    if (!kind) fail(`--redis must be one of ${KINDS.join(", ")}`);
    if (url !== "")
      fail("REDIS_URL names a Redis, and --redis starts another one: set one of them");
    return kind;
  } catch (error) {
    fail((error instanceof Error ? error.message : String(error)).split(/\.? To |\n/)[0] ?? "");
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** REDIS_URL, or the Redis that answers at the usual place. */
async function findRunningRedis(): Promise<string | undefined> {
  const url = process.env["REDIS_URL"];
  if (url !== undefined && url !== "") return url;
  return (await answersPing(defaultRedisPort))
    ? `redis://127.0.0.1:${defaultRedisPort}`
    : undefined;
}

async function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port, timeout: pingTimeoutMs });
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      resolve(data.toString().startsWith("+PONG"));
      socket.destroy();
    });
    socket.once("timeout", () => socket.destroy());
    socket.once("error", () => socket.destroy());
    socket.once("close", () => {
      resolve(false); // unless it has answered
    });
  });
}

/** Every setting of the server, as it is in our environment; the cluster sets its own over them. */
function settings(): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    // A higher LOG_LEVEL would hide from us that a replica listens.
    if (value !== undefined && name !== "LOG_LEVEL") settings[name] = value;
  }
  return settings;
}

function printProblem(nodeId: string, line: string): void {
  const entry = parse(line);
  // Anything but a log entry was not meant to be there: a crash, a warning of Node.
  if (entry === undefined) print(`${nodeId}  ${line}`);
  else if (entry.level >= warnLevel || isEnd(entry)) print(`${nodeId}  ${describe(entry)}`);
}

interface LogEntry {
  readonly level: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
  readonly code?: string;
  readonly awayMs?: number;
  readonly purpose?: string;
  /** Of a Redis that is away: its address in a cluster, what is in it, who waits for it, and why. */
  readonly redis?: string;
  readonly slots?: string | number;
  readonly sentinel?: string;
  readonly rooms?: number;
  readonly why?: string;
}

/** What is told of the end of a problem: `Redis is back`. */
function isEnd({ awayMs, code = "", purpose }: LogEntry): boolean {
  return awayMs !== undefined || purpose !== undefined || code.startsWith("redis_");
}

function parse(line: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry = JSON.parse(line) as LogEntry;
    return typeof entry.level === "number" ? entry : undefined;
  } catch {
    return undefined;
  }
}

function describe(entry: LogEntry): string {
  const { level, msg = "", err, redis, sentinel, slots, rooms, awayMs } = entry;
  const { why = err?.message } = entry;
  const of = [
    redis ?? sentinel,
    slots !== undefined && `slots ${String(slots)}`,
    rooms !== undefined && `${String(rooms)} rooms`,
    awayMs !== undefined && `after ${String(awayMs)} ms`,
  ].filter((part) => typeof part === "string");
  const where = of.length === 0 ? "" : ` (${of.join(", ")})`;
  const kind = level >= 50 ? "error" : level >= warnLevel ? "warning" : "over";
  return `${kind}: ${msg}${where}${why === undefined ? "" : `: ${why}`}`;
}

/** Says so when a part ends by itself; the others keep on, which is the point of a cluster. */
function reportDeaths(cluster: Cluster, ownsRedis: boolean, topology: Topology | undefined): void {
  const parts = [
    ...cluster.replicas.map((replica) => ({ name: replica.nodeId, exited: replica.exited })),
    { name: "The load balancer", exited: cluster.loadBalancer.exited },
    ...(ownsRedis ? [{ name: "Redis", exited: cluster.redis.exited }] : []),
    ...(topology?.parts() ?? []).map(({ name, port, exited }) => ({
      name: `${name.trim()} on port ${String(port)}`,
      exited,
    })),
  ];
  for (const { name, exited } of parts) reportDeath(name, exited);
}

function reportDeath(name: string, exited: Promise<Exit>): void {
  void exited.then(({ code, signal }) => {
    if (!stopping) print(`${name} has ended (${signal ?? `exit code ${code}`}); the rest keeps on`);
  });
}

function stop(): void {
  // Whatever has been started before the cluster is complete ends with this process.
  if (running === undefined) process.exit(130);
  if (stopping) return;
  stopping = true;
  print("\nStopping ...");
  stopAll(running).then(
    () => process.exit(0),
    (error: unknown) => {
      fail(String(error));
    },
  );
}

async function stopAll(cluster: Cluster): Promise<void> {
  await cluster.stop();
  await nodes.end();
}

/** @param redis - what was started, or where the one Redis comes from */
async function introduce(cluster: Cluster, host: string, redis: Topology | string): Promise<void> {
  const url = `http://${host === "0.0.0.0" ? "127.0.0.1" : host}:${cluster.loadBalancer.port}`;
  const metrics = Number(process.env["METRICS_PORT"] ?? 0);
  const rows = [
    ["Page", cluster.pageOf(SESSION, url), `load balancer: ${cluster.loadBalancer.kind}`],
    ...cluster.replicas.map(({ nodeId, url, pid }, i) => [
      nodeId,
      url,
      `pid ${pid}${metrics > 0 ? `, metrics on port ${metrics + i}` : ""}`,
    ]),
    ...(typeof redis === "string"
      ? [["Redis", withoutPassword(cluster.redisUrl), redis]]
      : redis.parts().map(({ name, port, pid }) => [name, `127.0.0.1:${port}`, `pid ${pid}`])),
  ];
  const width = Math.max(...rows.map(([, address = ""]) => address.length));
  print("");
  for (const [name = "", address = "", note = ""] of rows) {
    print(`  ${name.padEnd(11)}  ${address.padEnd(width)}  ${note}`);
  }
  print(`
Send an event to the students of this page:

  curl ${url}/sessions/${SESSION}/events -H 'Content-Type: application/json' \\${authorization()}
    -d '{"event":"important","note":"Hello","capture_url":null}'
${typeof redis === "string" ? "" : hintsOf(cluster.redisUrl, await redis.hints(SESSION))}
Ctrl-C ends all of it.
`);
}

/** What publishing needs besides, where the environment asks for it. */
function authorization(): string {
  const { PUBLISH_KEYS: keys, JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL } = process.env;
  const who = keys
    ? "<one of PUBLISH_KEYS>"
    : (JWT_SECRET ?? JWT_PUBLIC_KEY ?? JWKS_URL) && "<a publisher's token>";
  return who ? `\n    -H "Authorization: Bearer ${who}" \\` : "";
}

function hintsOf(url: string, hints: Awaited<ReturnType<Topology["hints"]>>): string {
  const lines = hints.flatMap(([what, command]) => ["", `${what}:`, "", `  ${command}`]);
  return ["", "For an emitter of yours:", "", `  ${url}`, ...lines, ""].join("\n");
}

/** REDIS_URL may name several hosts, which URL does not read: so the text is cut. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//...@");
}
