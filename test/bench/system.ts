import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import { freePort } from "../helpers/processes/ports.js";
import type { RedisServer } from "../helpers/processes/redis-server.js";
import type { Lab, Stoppable } from "./lab.js";
import type { LoadApi, Seen } from "./load/api.js";
import type { CountedEvent } from "./load/event-number.js";
import type { Dialect } from "./load/connection.js";
import { patternFor } from "./patterns.js";
import type { TargetKind } from "./publisher/api.js";
import { Scraper } from "./scraper.js";
import { Worker } from "./worker.js";

const program = (name: string) => fileURLToPath(new URL(`servers/${name}`, import.meta.url));

/** The program of each kind of server; ours is the built one. */
const MAINS: Record<TargetKind, string | undefined> = {
  ours: undefined,
  stock: program("stock-server.mjs"),
  floor: program("floor-server.mjs"),
};
/** Ours asks for signs of life more often than stock by default: both as stock does, or clients' answers would count. */
const HEARTBEAT = { PING_INTERVAL_MS: "25000", PING_TIMEOUT_MS: "20000" };
const PROBE = ["--expose-gc", "--import", new URL("servers/probe.mjs", import.meta.url).href];
const LOAD = new URL("load/main.ts", import.meta.url);
/** What comes a second time comes soon. */
const AFTERMATH_MS = 250;

export interface SystemOptions {
  readonly dialect: Dialect;
  readonly replicas?: number;
  /** Whose emitter publishes; by default the one that belongs to the server. */
  readonly publisher?: TargetKind;
  /** Redis is with the servers, because the load's core has no room for it. */
  readonly redisWithServers?: boolean;
  /** Whether {@link System.memory} will be asked. */
  readonly probe?: boolean;
  /** Whether the one replica of ours has metrics, and somebody who asks for them. */
  readonly scraped?: boolean;
}

/** Clients that share a session and a role. */
export interface Audience {
  readonly session: string;
  readonly role: "teacher" | "student";
  /** On each replica. */
  readonly clients: number;
  /** What is published to the session, in turn. */
  readonly events: readonly CountedEvent[];
}

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

let systems = 0;

/** A server under test, or several, with a Redis, a load process and a publisher of its own. */
export class System implements Stoppable {
  /** The name of its target at the publisher. */
  readonly target: string;
  readonly load: Worker<LoadApi>;
  readonly #cluster: Cluster;
  readonly #dialect: Dialect;
  readonly #lab: Lab;
  #scraper: Scraper | undefined;

  private constructor(lab: Lab, dialect: Dialect, cluster: Cluster, load: Worker<LoadApi>) {
    this.target = `${dialect}-${++systems}`;
    this.#dialect = dialect;
    this.#lab = lab;
    this.#cluster = cluster;
    this.load = load;
  }

  static async open(lab: Lab, options: SystemOptions): Promise<System> {
    return lab.keep(() => System.#start(lab, options));
  }

  static async #start(lab: Lab, options: SystemOptions): Promise<System> {
    const { dialect, replicas = 1, probe = false, redisWithServers = false } = options;
    const { pinning, node } = lab.options;
    const metricsPort = options.scraped === true ? await freePort() : undefined;
    const kind = kindOf(dialect);
    const main = MAINS[kind];
    const redisPlace = redisWithServers ? pinning.servers : pinning.load;
    const load = await Worker.start<LoadApi>(LOAD, pinning.load.launcher);
    let cluster: Cluster | undefined;
    try {
      cluster = await startCluster({
        replicas,
        env: {
          ...HEARTBEAT,
          ...(metricsPort !== undefined && { METRICS_PORT: String(metricsPort) }),
        },
        redis: { launcher: redisPlace.launcher },
        launch: {
          node: { path: node, args: probe ? PROBE : [] },
          launcher: pinning.servers.launcher,
        },
        ...(main !== undefined && { main }),
      });
      const system = new System(lab, dialect, cluster, load);
      const { publisher = kind } = options;
      const { target: name } = system;
      await lab.publisher.call("open", { name, kind: publisher, redisUrl: cluster.redisUrl });
      lab.adopt([load.pid], pinning.load);
      lab.adopt([cluster.redis.pid], redisPlace);
      lab.adopt(system.serverPids, pinning.servers);
      if (metricsPort !== undefined) system.#scraper = new Scraper(metricsPort);
      return system;
    } catch (error) {
      await Promise.all([load.stop(), cluster?.stop()]);
      throw error;
    }
  }

  get redis(): RedisServer {
    return this.#cluster.redis;
  }

  get serverPids(): readonly number[] {
    return this.#cluster.replicas.map(({ pid }) => pid);
  }

  /** Resolves when all clients are members of their rooms, on every replica. */
  async connect(audiences: readonly Audience[]): Promise<void> {
    const groups = this.#cluster.replicas.flatMap(({ port }) =>
      audiences.map(({ session, role, clients, events }) => ({
        dialect: this.#dialect,
        port,
        path: pathOf(this.#dialect, session, role),
        session,
        pattern: patternFor(role, events),
        clients,
      })),
    );
    await this.load.call("connect", { groups });
  }

  /** What the first server holds after a full collection. */
  async memory(): Promise<Memory> {
    const server = this.#cluster.replica(0);
    const answer = server.waitForLine(parseMemory);
    server.kill("SIGWINCH");
    return answer;
  }

  /** What clients saw beyond what was expected, a little later. */
  async aftermath(): Promise<Seen> {
    await delay(AFTERMATH_MS);
    return this.load.call("expect", { lasts: {} });
  }

  async stop(): Promise<void> {
    this.#lab.release(this);
    this.#lab.disown([...this.serverPids, this.load.pid, this.redis.pid]);
    const scraped = this.#scraper?.stop();
    scraped?.catch(() => undefined);
    // Nobody is left to be sent away in order: the clients vanish with the process.
    for (const server of this.#cluster.replicas) server.kill("SIGKILL");
    await this.load.stop();
    // A publisher that is gone has closed everything.
    await this.#lab.publisher.call("close", { target: this.target }).catch(() => undefined);
    await this.#cluster.stop();
    await scraped;
  }
}

function kindOf(dialect: Dialect): TargetKind {
  return dialect === "ours-plain" ? "ours" : dialect;
}

function pathOf(dialect: Dialect, session: string, role: string): string {
  const path = `/ws/session/${session}/${role}/`;
  switch (dialect) {
    case "ours":
      return `${path}?EIO=4&transport=websocket`;
    case "ours-plain":
      return path;
    case "stock":
      return `/socket.io/?EIO=4&transport=websocket&room=session_${session}_${role}`;
    case "floor":
      return "/";
  }
}

function parseMemory(line: string): Memory | undefined {
  if (!line.startsWith('{"msg":"memory"')) return undefined;
  return JSON.parse(line) as Memory;
}
