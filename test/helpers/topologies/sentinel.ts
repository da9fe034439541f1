import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../eventually.js";
import { replicated, type RedisServer } from "../processes/redis-server.js";
import { adminOf, type Admin } from "../processes/redis-users.js";
import type { Owner } from "./ends.js";
import { startPrimary, startReplica } from "./replicas.js";
import { PRIMARY_NAME, startSentinels, urlOf, type Sentinel } from "./sentinels.js";
import type { Ask, Part, Topology, TopologyOptions } from "./topology.js";

const REPLICAS = 2;
const SENTINELS = 3;
/** On a machine that is busy Sentinels lose elections, and the next one comes twice the failover's timeout later. */
const PATIENCE_MS = 90_000;
/** Within twice of it no second failover begins. */
const FAILOVER_TIMEOUT_MS = 3_000;
const RETRY_MS = 500;
/**
 * Sentinels count from the primary's last answer, up to a second before its death, and ask replicas how far they are where they
 * have not for a second: at less than this they may choose by what replicas had before.
 */
const DOWN_AFTER_MS = 2_500;
/** A failover that is planned has long been made by then. */
const PAUSE_MS = 10_000;

interface Node {
  readonly redis: RedisServer;
  /** Where it says that it is. */
  readonly port: number;
  readonly admin: Admin;
}

/** A primary with two replicas, watched by three Sentinels. */
export async function startWithSentinels(
  owner: Owner,
  options: TopologyOptions,
): Promise<Topology> {
  const start = async (primary?: Node): Promise<Node> => {
    let behind = 0;
    const announced = await options.front?.(() => behind);
    const args = announced === undefined ? [] : ["--replica-announce-port", String(announced)];
    const redis = await (primary ? startReplica(owner, primary, args) : startPrimary(owner, args));
    behind = redis.port;
    return { redis, port: announced ?? redis.port, admin: await adminOf(owner, redis) };
  };
  const primary = await start();
  const replicas: Node[] = [];
  for (let i = 0; i < REPLICAS; i++) replicas.push(await start(primary));
  const sentinels = await startSentinels(owner, primary.port, {
    count: SENTINELS,
    replicas: REPLICAS,
    lines: [
      `sentinel failover-timeout ${PRIMARY_NAME} ${String(FAILOVER_TIMEOUT_MS)}`,
      `sentinel down-after-milliseconds ${PRIMARY_NAME} ${String(DOWN_AFTER_MS)}`,
    ],
  });
  return new SentinelDeployment({ primary, replicas, sentinels, start });
}

interface Parts {
  readonly primary: Node;
  readonly replicas: readonly Node[];
  readonly sentinels: readonly Sentinel[];
  /** Starts one more. */
  readonly start: (primary: Node) => Promise<Node>;
}

class SentinelDeployment implements Topology {
  readonly kind = "sentinel";
  readonly size = `a primary with ${String(REPLICAS)} replicas, and ${String(SENTINELS)} Sentinels`;
  readonly changes = {
    planned: () => this.#plan(),
    add: () => this.#add(),
    remove: () => this.#remove(),
  };
  readonly #sentinels: readonly Sentinel[];
  readonly #start: Parts["start"];
  #primary: Node;
  #replicas: readonly Node[];
  #killed: Node | undefined;

  constructor({ primary, replicas, sentinels, start }: Parts) {
    this.#primary = primary;
    this.#replicas = replicas;
    this.#sentinels = sentinels;
    this.#start = start;
  }

  get url(): string {
    return urlOf(this.#sentinels);
  }

  parts(): readonly Part[] {
    const nodes = [this.#primary, ...this.#replicas].map(({ redis, port }, i) => ({
      name: `Redis ${String(i + 1)}`,
      port,
      pid: redis.pid,
      exited: redis.exited,
    }));
    const sentinels = this.#sentinels.map(({ port, process: { pid, exited } }, i) => ({
      name: `Sentinel ${String(i + 1)}`,
      port,
      pid,
      exited,
    }));
    return [...nodes, ...sentinels];
  }

  hints() {
    const sentinel = String(this.#sentinels[0]?.port);
    // It is another one after each failover: whoever it is, is asked for.
    const primary = `$(redis-cli -p ${sentinel} SENTINEL GET-MASTER-ADDR-BY-NAME ${PRIMARY_NAME} | tail -1)`;
    return Promise.resolve([
      [
        "Who is the primary now",
        `redis-cli -p ${sentinel} SENTINEL GET-MASTER-ADDR-BY-NAME ${PRIMARY_NAME}`,
      ],
      [
        "Have a replica take the primary's place",
        `redis-cli -p ${primary} CLIENT PAUSE 10000 WRITE && ` +
          `redis-cli -p ${sentinel} SENTINEL FAILOVER ${PRIMARY_NAME}`,
      ],
      ["Kill the primary", `redis-cli -p ${primary} SHUTDOWN NOSAVE NOW`],
    ] as const);
  }

  nodes() {
    return [this.#primary, ...this.#replicas].map(({ redis: { port }, admin }) => ({
      port,
      ask: (...args: string[]) => admin.sendCommand(args),
    }));
  }

  ownerOf(): Promise<Ask> {
    const { admin } = this.#primary;
    return Promise.resolve((...args) => admin.sendCommand(args));
  }

  sessions(name: string, count: number): Promise<readonly string[]> {
    return Promise.resolve(Array.from({ length: count }, (_, i) => `${name}-${String(i + 1)}`));
  }

  async kill(): Promise<void> {
    const old = this.#primary;
    old.redis.kill("SIGKILL");
    await this.#replaced(old);
    this.#replicas = this.#replicas.filter((node) => node !== old);
    this.#killed = old;
  }

  async revive(): Promise<void> {
    const node = this.#killed;
    if (!node) throw new Error("nobody has been killed");
    this.#killed = undefined;
    // It does not remember whom it followed: as a primary without anything it would wait for a Sentinel to find it.
    await node.redis.restart(["--replicaof", "127.0.0.1", String(this.#primary.port)]);
    this.#replicas = [...this.#replicas, node];
    await this.settled();
  }

  async settled(): Promise<void> {
    await eventually(async () => {
      // Sentinels may have given the primary's place to another one meanwhile, whenever the machine was too busy to answer.
      await this.#look();
      const known = this.#sentinels.map(({ ask }) => this.#isKnown(ask));
      const all = [this.#isFollowed(), ...known];
      return (await Promise.all(all)).every((isSo) => isSo);
    }, PATIENCE_MS);
  }

  /** As the README says; again where Sentinels have just chosen another primary by themselves. */
  async #plan(): Promise<void> {
    let old = this.#primary;
    await eventually(async () => {
      await this.#look();
      old = this.#primary;
      await old.admin.sendCommand(["CLIENT", "PAUSE", String(PAUSE_MS), "WRITE"]);
      try {
        if (!(await this.#isFollowed())) throw new Error("a replica follows another primary");
        for (const { admin } of this.#replicas) await replicated(old.admin, admin);
        await this.#sentinels[0]?.ask("FAILOVER", PRIMARY_NAME);
        return true;
      } catch {
        await old.admin.sendCommand(["CLIENT", "UNPAUSE"]).catch(() => undefined);
        // Where a failover is hardly over, no other one begins.
        await delay(RETRY_MS);
        return false;
      }
    }, PATIENCE_MS);
    await this.#replaced(old);
    await this.settled();
  }

  async #add(): Promise<void> {
    this.#replicas = [...this.#replicas, await this.#start(this.#primary)];
    await this.settled();
  }

  async #remove(): Promise<void> {
    const node = this.#replicas.at(-1);
    this.#replicas = this.#replicas.slice(0, -1);
    await node?.redis.stop();
    // Sentinels never forget a replica by themselves.
    for (const { ask } of this.#sentinels) {
      await ask("RESET", PRIMARY_NAME);
      await eventually(() => this.#isKnown(ask), PATIENCE_MS);
    }
    await this.settled();
  }

  /** Resolves when another one has become the primary. */
  async #replaced(old: Node): Promise<void> {
    await eventually(async () => {
      await this.#look();
      return this.#primary !== old;
    }, PATIENCE_MS);
  }

  /** Takes whom the Sentinels call so for the primary, once it is. */
  async #look(): Promise<void> {
    const asked = this.#sentinels.map(({ ask }) => ask("GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME));
    const ports = new Set(
      (await Promise.all(asked)).map((address) => Number((address as string[])[1])),
    );
    const nodes = [this.#primary, ...this.#replicas];
    const next = nodes.find(({ port }) => ports.has(port));
    if (ports.size > 1 || !next || next === this.#primary) return;
    if ((await roleOf(next.admin)) !== "master") return;
    this.#primary = next;
    this.#replicas = nodes.filter((node) => node !== next);
  }

  async #isFollowed(): Promise<boolean> {
    const { port } = this.#primary;
    const infos = this.#replicas.map(({ admin }) => admin.info("replication").catch(() => ""));
    return (await Promise.all(infos)).every(
      (info) =>
        info.includes("master_link_status:up") && info.includes(`master_port:${String(port)}\r`),
    );
  }

  async #isKnown(ask: Ask): Promise<boolean> {
    const primary = (await ask("MASTER", PRIMARY_NAME)) as Record<string, string>;
    const replicas = (await ask("REPLICAS", PRIMARY_NAME)) as Record<string, string>[];
    const following = replicas.filter(
      (replica) => replica["flags"] === "slave" && replica["master-link-status"] === "ok",
    );
    return (
      primary["flags"] === "master" &&
      Number(primary["port"]) === this.#primary.port &&
      Number(primary["num-other-sentinels"]) === SENTINELS - 1 &&
      following.length === this.#replicas.length
    );
  }
}

async function roleOf(admin: Admin): Promise<string> {
  // A Sentinel that promotes it closes its connections, also that of who asks.
  const info = await admin.info("replication").catch(() => "");
  return /^role:(\w+)/m.exec(info)?.[1] ?? "";
}
