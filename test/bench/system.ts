import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startRedis, type RedisServer } from "../helpers/redis-server.js";
import { startServer, type ServerProcess } from "../helpers/server-process.js";
import type { Lab, Stoppable } from "./lab.js";
import type { LoadApi, Seen } from "./load/api.js";
import type { CountedEvent } from "./load/event-number.js";
import type { Dialect } from "./load/connection.js";
import { patternFor } from "./patterns.js";
import type { TargetKind } from "./publisher/api.js";
import { Worker } from "./worker.js";

const program = (name: string) => fileURLToPath(new URL(`servers/${name}`, import.meta.url));

/** The program of each kind of server; ours is the built one. */
const MAINS: Record<TargetKind, string | undefined> = {
  ours: undefined,
  stock: program("stock-server.mjs"),
  floor: program("floor-server.mjs"),
};
const PROBE = ["--expose-gc", "--import", new URL("servers/probe.mjs", import.meta.url).href];
/** What comes a second time comes soon. */
const AFTERMATH_MS = 250;

export interface SystemOptions {
  readonly dialect: Dialect;
  readonly replicas?: number;
  /** Whose emitter publishes; by default the one that belongs to the server. */
  readonly publisher?: TargetKind;
  /** Whether {@link System.memory} will be asked. */
  readonly probe?: boolean;
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
  readonly redis: RedisServer;
  readonly servers: readonly ServerProcess[];
  readonly #dialect: Dialect;
  readonly #lab: Lab;

  private constructor(
    lab: Lab,
    dialect: Dialect,
    parts: { load: Worker<LoadApi>; redis: RedisServer; servers: readonly ServerProcess[] },
  ) {
    this.target = `${dialect}-${++systems}`;
    this.#dialect = dialect;
    this.#lab = lab;
    this.load = parts.load;
    this.redis = parts.redis;
    this.servers = parts.servers;
  }

  static async open(lab: Lab, options: SystemOptions): Promise<System> {
    const { dialect, replicas = 1, probe = false } = options;
    const { pinning, node } = lab.options;
    const kind = kindOf(dialect);
    const main = MAINS[kind];
    const { launcher } = pinning.load;
    const load = await Worker.start<LoadApi>(new URL("load/main.ts", import.meta.url), launcher);
    const redis = await startRedis({ launcher });
    const servers: ServerProcess[] = [];
    for (let i = 0; i < replicas; i++) {
      const server = await startServer({
        env: { REDIS_URL: redis.url },
        node: { path: node, args: probe ? PROBE : [] },
        launcher: pinning.servers.launcher,
        ...(main !== undefined && { main }),
      });
      servers.push(server);
    }
    const system = new System(lab, dialect, { load, redis, servers });
    lab.adopt([load.pid, redis.pid], pinning.load);
    lab.adopt(system.serverPids, pinning.servers);
    lab.keep(system);
    const { publisher = kind } = options;
    await lab.publisher.call("open", {
      name: system.target,
      kind: publisher,
      redisUrl: redis.url,
    });
    return system;
  }

  get serverPids(): readonly number[] {
    return this.servers.map(({ pid }) => pid);
  }

  /** Resolves when all clients are members of their rooms, on every replica. */
  async connect(audiences: readonly Audience[]): Promise<void> {
    const groups = this.servers.flatMap(({ port }) =>
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
    const [server] = this.servers;
    if (server === undefined) throw new Error("there is no server");
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
    // Nobody is left to be sent away in order: the clients vanish with the process.
    for (const server of this.servers) server.kill("SIGKILL");
    await Promise.all(this.servers.map((server) => server.stop()));
    await this.load.stop();
    await this.#lab.publisher.call("close", { target: this.target }).catch(() => undefined);
    await this.redis.stop();
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
