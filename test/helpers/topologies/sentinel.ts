import { eventually } from "../eventually.js";
import { replicated, type RedisServer } from "../processes/redis-server.js";
import { adminOf, type Admin } from "../processes/redis-users.js";
import type { Owner } from "./ends.js";
import { startPrimary, startReplica } from "./replicas.js";
import { PRIMARY_NAME, startSentinels, urlOf, type Sentinel } from "./sentinels.js";
import type { Ask, Topology } from "./topology.js";

const REPLICAS = 2;
const SENTINELS = 3;
/** On a machine that is busy Sentinels lose elections, and the next one comes twice the failover's timeout later. */
const PATIENCE_MS = 90_000;
/** Within twice of it no second failover begins. */
const FAILOVER_TIMEOUT_MS = 3_000;
/** A failover that is planned has long been made by then. */
const PAUSE_MS = 10_000;

interface Node {
  readonly redis: RedisServer;
  readonly admin: Admin;
}

/** A primary with two replicas, watched by three Sentinels. */
export async function startWithSentinels(owner: Owner): Promise<Topology> {
  const redis = await startPrimary(owner);
  const deployment = new SentinelDeployment(owner, { redis, admin: await adminOf(owner, redis) });
  for (let i = 0; i < REPLICAS; i++) await deployment.addReplica();
  await deployment.watch();
  return deployment;
}

class SentinelDeployment implements Topology {
  readonly kind = "sentinel";
  readonly size = `a primary with ${String(REPLICAS)} replicas, and ${String(SENTINELS)} Sentinels`;
  readonly changes = {
    planned: () => this.#plan(),
    add: async () => {
      await this.addReplica();
      await this.#settled();
    },
    remove: () => this.#remove(),
  };
  readonly #owner: Owner;
  #primary: Node;
  #replicas: Node[] = [];
  #sentinels: readonly Sentinel[] = [];
  #killed: Node | undefined;

  constructor(owner: Owner, primary: Node) {
    this.#owner = owner;
    this.#primary = primary;
  }

  get url(): string {
    return urlOf(this.#sentinels);
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
    await this.#promoted();
    this.#killed = old;
  }

  async revive(): Promise<void> {
    const node = this.#killed;
    if (!node) throw new Error("nobody has been killed");
    this.#killed = undefined;
    // It does not remember whom it followed: as a primary without anything it would wait for a Sentinel to find it.
    await node.redis.restart(["--replicaof", "127.0.0.1", String(this.#primary.redis.port)]);
    this.#replicas.push(node);
    await this.#settled();
  }

  async addReplica(): Promise<void> {
    const redis = await startReplica(this.#owner, this.#primary.redis);
    this.#replicas.push({ redis, admin: await adminOf(this.#owner, redis) });
  }

  async watch(): Promise<void> {
    this.#sentinels = await startSentinels(this.#owner, this.#primary.redis.port, {
      count: SENTINELS,
      replicas: REPLICAS,
      lines: [`sentinel failover-timeout ${PRIMARY_NAME} ${String(FAILOVER_TIMEOUT_MS)}`],
    });
  }

  /** As the README says. */
  async #plan(): Promise<void> {
    const old = this.#primary;
    await old.admin.sendCommand(["CLIENT", "PAUSE", String(PAUSE_MS), "WRITE"]);
    for (const { admin } of this.#replicas) await replicated(old.admin, admin);
    // Another one may be hardly over.
    await eventually(async () => {
      const answer = await this.#sentinels[0]?.ask("FAILOVER", PRIMARY_NAME).catch(String);
      return answer === "OK";
    }, PATIENCE_MS);
    await this.#promoted();
    this.#replicas.push(old);
    await this.#settled();
  }

  async #remove(): Promise<void> {
    const node = this.#replicas.pop();
    await node?.redis.stop();
    // Sentinels never forget a replica by themselves.
    for (const { ask } of this.#sentinels) {
      await ask("RESET", PRIMARY_NAME);
      await this.#known(ask);
    }
    await this.#settled();
  }

  /** Resolves when one of the replicas has become the primary. */
  async #promoted(): Promise<void> {
    await eventually(async () => {
      const next = await find(
        this.#replicas,
        async ({ admin }) => (await roleOf(admin)) === "master",
      );
      if (!next) return false;
      this.#replicas = this.#replicas.filter((node) => node !== next);
      this.#primary = next;
      return true;
    }, PATIENCE_MS);
  }

  /** Resolves when every replica follows, and every Sentinel knows so. */
  async #settled(): Promise<void> {
    const { port } = this.#primary.redis;
    await eventually(async () => {
      const infos = this.#replicas.map(({ admin }) => admin.info("replication").catch(() => ""));
      return (await Promise.all(infos)).every(
        (info) =>
          info.includes("master_link_status:up") && info.includes(`master_port:${String(port)}\r`),
      );
    }, PATIENCE_MS);
    for (const { ask } of this.#sentinels) await this.#known(ask);
  }

  async #known(ask: Ask): Promise<void> {
    await eventually(async () => {
      const primary = (await ask("MASTER", PRIMARY_NAME)) as Record<string, string>;
      const replicas = (await ask("REPLICAS", PRIMARY_NAME)) as Record<string, string>[];
      const following = replicas.filter(
        (replica) => replica["flags"] === "slave" && replica["master-link-status"] === "ok",
      );
      return (
        primary["flags"] === "master" &&
        Number(primary["port"]) === this.#primary.redis.port &&
        Number(primary["num-other-sentinels"]) === SENTINELS - 1 &&
        following.length === this.#replicas.length
      );
    }, PATIENCE_MS);
  }
}

async function roleOf(admin: Admin): Promise<string> {
  // A Sentinel that promotes it closes its connections, also that of who asks.
  const info = await admin.info("replication").catch(() => "");
  return /^role:(\w+)/m.exec(info)?.[1] ?? "";
}

async function find<T>(
  items: readonly T[],
  is: (item: T) => Promise<boolean>,
): Promise<T | undefined> {
  for (const item of items) if (await is(item)) return item;
  return undefined;
}
