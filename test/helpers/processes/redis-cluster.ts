import { createClient, type RedisClientOptions } from "redis";
import { eventually } from "../eventually.js";
import type { Owner } from "../topologies/ends.js";
import { onPort } from "./ports.js";
import { startRedis, type RedisServer } from "./redis-server.js";
import type { RedisProgram } from "../tools/redis-programs.js";

const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_500;
/** How long one that is asked for may take (`CLUSTER_MF_TIMEOUT`), and a little. */
const FAILOVER_MS = 5_500;
/** On a machine that is busy, elections are lost, and each next one comes later. */
const ELECTION_MS = 45_000;
/** Until all know all, for each of them: they tell each other of some at a time. */
const GOSSIP_MS = 500;
/** Slots that are on their way at a time. */
const MOVED_TOGETHER = 50;
const KEYS_AT_A_TIME = 100;

export interface RedisClusterOptions {
  readonly masters?: number;
  /** Of each master. */
  readonly replicas?: number;
  /** By default the one that this run of tests is about. */
  readonly program?: RedisProgram | undefined;
  /** More arguments of every node; those of the node by its number. */
  readonly args?: (node: number) => readonly string[];
  /** In front of each node's command line. */
  readonly launcher?: readonly string[];
  /** How the helper itself asks the node at a port; it must be allowed everything. */
  readonly admin?: (port: number) => RedisClientOptions;
  /** Opens a way to the node at a port, and tells its own: everybody but this helper is told that one. */
  readonly front?: (port: () => number) => Promise<number>;
  /** What MIGRATE needs behind its time limit, such as `["AUTH2", "app", "pw"]`. */
  readonly migrateArgs?: readonly string[];
}

/** A process of the cluster, and a connection to it that may do everything. */
export interface ClusterNode {
  readonly redis: RedisServer;
  /** Where it says that it is. */
  readonly port: number;
  readonly id: string;
  readonly ask: (...args: string[]) => Promise<unknown>;
}

/** Starts a cluster of its own on 127.0.0.1, which ends with the test, and resolves when every node knows that it works. */
export async function startRedisCluster(
  t: Owner,
  options: RedisClusterOptions = {},
): Promise<RedisCluster> {
  const { masters: count = 3, replicas = 1 } = options;
  const cluster = new RedisCluster(t, options);
  const starting = Array.from({ length: count * (1 + replicas) }, () => cluster.startNode());
  const nodes = await Promise.all(starting);
  const masters = nodes.slice(0, count);
  await Promise.all(
    masters.map(async ({ ask }, i) => {
      const [first, end] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / count));
      await ask("CLUSTER", "ADDSLOTSRANGE", String(first), String((end ?? 0) - 1));
      await ask("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
    }),
  );
  await cluster.join(nodes);
  for (const [i, { ask }] of nodes.slice(count).entries()) {
    await ask("CLUSTER", "REPLICATE", masters[i % count]?.id ?? "");
  }
  await cluster.settled();
  return cluster;
}

/** A Redis Cluster of our own, to be damaged. */
export class RedisCluster {
  /** Those that have been started and not been taken out; some may have been killed. */
  readonly nodes: ClusterNode[] = [];
  readonly #t: Owner;
  readonly #options: RedisClusterOptions;
  /** Killed, or hanging. */
  readonly #away = new Map<ClusterNode, NodeJS.Signals>();
  #started = 0;

  /** @internal Use {@link startRedisCluster}. */
  constructor(t: Owner, options: RedisClusterOptions) {
    this.#t = t;
    this.#options = options;
  }

  /**
   * Its URL, by all nodes that it has now.
   *
   * @param user - such as `app:pw@`
   */
  url(user = "", scheme = "redis+cluster"): string {
    const hosts = this.nodes.map(({ port }) => `127.0.0.1:${String(port)}`);
    return `${scheme}://${user}${hosts.join(",")}`;
  }

  /** Those that have slots, as one node that lives sees it. */
  async masters(): Promise<readonly ClusterNode[]> {
    const owners = new Set((await this.#slots()).map(({ id }) => id));
    return this.nodes.filter(({ id }) => owners.has(id));
  }

  async masterOf(slot: number): Promise<ClusterNode> {
    const found = (await this.#slots()).find(({ first, last }) => first <= slot && slot <= last);
    const node = this.nodes.find(({ id }) => id === found?.id);
    if (!node) throw new Error(`nobody has slot ${String(slot)}`);
    return node;
  }

  /** Those that it has, in their order. */
  async slotsOf({ id }: ClusterNode): Promise<readonly number[]> {
    return slotsOf(await this.#askOne("CLUSTER", "SLOTS"), id);
  }

  async replicasOf(master: ClusterNode): Promise<readonly ClusterNode[]> {
    // Each line of a replica, which begins with its name, names its master too.
    const lines = (await this.#askOne("CLUSTER", "REPLICAS", master.id)) as string[];
    return this.nodes.filter(({ id }) => lines.some((line) => line.startsWith(id)));
  }

  /** Those of a master that has some: who follows whom is gossip, and the node that is asked may not have heard it yet. */
  async #someReplicasOf(master: ClusterNode): Promise<readonly ClusterNode[]> {
    let replicas: readonly ClusterNode[] = [];
    await eventually(async () => (replicas = await this.replicasOf(master)).length > 0);
    return replicas;
  }

  /** Resolves when every node that lives finds all slots served, and every replica follows. */
  async settled(): Promise<void> {
    await eventually(async () => {
      const states = await Promise.all(
        this.nodes.map(async (node) => {
          if (this.#away.has(node)) return true;
          const info = String(await node.ask("CLUSTER", "INFO").catch(() => ""));
          const replication = String(await node.ask("INFO", "replication").catch(() => ""));
          const known = Number(/cluster_known_nodes:(\d+)/.exec(info)?.[1]);
          return (
            info.includes("cluster_state:ok") &&
            known >= this.nodes.length &&
            !/role:slave[^]*master_link_status:down/.test(replication)
          );
        }),
      );
      return !states.includes(false);
    }, patienceFor(this.nodes));
    const views = async () => {
      const living = this.#present();
      return Promise.all(living.map(async ({ ask }) => ownersIn(await ask("CLUSTER", "SLOTS"))));
    };
    // Each has to hear of every replica, and of every move.
    await eventually(
      async () => new Set((await views()).map((view) => JSON.stringify(view))).size === 1,
      patienceFor(this.nodes),
    );
  }

  /**
   * Moves slots with all that is in them, a few at a time, as `redis-cli --cluster reshard` does.
   *
   * @returns those that have been moved
   */
  async moveSlots(count: number, from: ClusterNode, to: ClusterNode): Promise<readonly number[]> {
    const slots = slotsOf(await from.ask("CLUSTER", "SLOTS"), from.id).slice(0, count);
    for (let i = 0; i < slots.length; i += MOVED_TOGETHER) {
      await this.#move(slots.slice(i, i + MOVED_TOGETHER).map(String), from, to);
    }
    return slots;
  }

  /** A failover without a death: resolves when the replica has taken its master's place. */
  async failover(master: ClusterNode): Promise<ClusterNode> {
    const [replica] = await this.#someReplicasOf(master);
    if (!replica) throw new Error("it has no replica");
    const isMaster = async () => String(await replica.ask("ROLE")).startsWith("master");
    let askedAt = -Infinity;
    await eventually(async () => {
      // On a machine that is busy it may run out of its time, and is over then.
      if (performance.now() - askedAt > FAILOVER_MS) {
        askedAt = performance.now();
        await replica.ask("CLUSTER", "FAILOVER");
      }
      return isMaster();
    }, ELECTION_MS);
    return replica;
  }

  /** Kills a master, and resolves when one of its replicas has taken its place. */
  async kill(master: ClusterNode, signal: NodeJS.Signals = "SIGKILL"): Promise<ClusterNode> {
    const replicas = await this.#someReplicasOf(master);
    master.redis.kill(signal);
    this.#away.set(master, signal);
    let next: ClusterNode | undefined;
    await eventually(async () => {
      for (const replica of replicas) {
        if (String(await replica.ask("ROLE")).startsWith("master")) next = replica;
      }
      return next !== undefined;
    }, ELECTION_MS);
    if (!next) throw new Error("nobody");
    return next;
  }

  /** Has one come back: one that was killed anew, one that hangs as it was. */
  async revive(node: ClusterNode): Promise<void> {
    if (this.#away.get(node) === "SIGSTOP") node.redis.resume();
    else await node.redis.restart();
    this.#away.delete(node);
  }

  /** Adds a master without slots. */
  async addNode(): Promise<ClusterNode> {
    const node = await this.startNode();
    await this.join([...this.nodes]);
    await this.settled();
    return node;
  }

  /** Takes a node without slots out of the cluster, and ends it. */
  async removeNode(node: ClusterNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await Promise.all(this.nodes.map(({ ask }) => ask("CLUSTER", "FORGET", node.id)));
    await node.redis.stop();
  }

  /** @internal */
  async startNode(): Promise<ClusterNode> {
    const { args, admin, program, launcher, front } = this.#options;
    const number = this.#started++;
    let behind = 0;
    const announced = await front?.(() => behind);
    // By default the bus is at 10,000 more than the port, which may be one that connections go out from.
    const redis = await onPort(undefined, (bus) =>
      startRedis({
        program,
        ...(launcher && { launcher }),
        args: [
          ...["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
          ...["--cluster-port", String(bus)],
          // However long a replica has not heard of its master, it may take its place.
          ...["--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"],
          ...["--repl-diskless-sync-delay", "0"],
          ...(announced === undefined ? [] : ["--cluster-announce-port", String(announced)]),
          ...(args?.(number) ?? []),
        ],
      }),
    );
    behind = redis.port;
    this.#t.teardown(() => redis.stop());
    const client = createClient(admin?.(redis.port) ?? { url: redis.url });
    // Some of them are killed.
    client.on("error", () => undefined);
    await client.connect();
    this.#t.teardown(() => {
      // Whom it led to may be gone, and it may have given up.
      if (client.isOpen) client.destroy();
    });
    const ask = (...words: string[]) => client.sendCommand<unknown>(words);
    const port = announced ?? redis.port;
    const node = { redis, port, ask, id: (await ask("CLUSTER", "MYID")) as string };
    this.nodes.push(node);
    return node;
  }

  /** @internal Makes nodes known to each other. */
  async join(nodes: readonly ClusterNode[]): Promise<void> {
    const [first] = nodes;
    for (const { port, ask } of nodes.slice(1)) {
      const bus = String(
        ((await ask("CONFIG", "GET", "cluster-port")) as Record<string, string>)["cluster-port"],
      );
      await first?.ask("CLUSTER", "MEET", "127.0.0.1", String(port), bus);
    }
    await eventually(async () => {
      const infos = await Promise.all(nodes.map(({ ask }) => ask("CLUSTER", "INFO")));
      const known = infos.map((info) => Number(/known_nodes:(\d+)/.exec(String(info))?.[1]));
      // Each of many has a long answer, which is worth asking for only then.
      if (Math.min(...known) < nodes.length) return false;
      const lists = (await Promise.all(nodes.map(({ ask }) => ask("CLUSTER", "NODES")))).map(
        String,
      );
      return lists.every((list) => {
        const ids = new Set(list.split("\n").map((line) => line.slice(0, line.indexOf(" "))));
        return nodes.every(({ id }) => ids.has(id)) && !list.includes("handshake");
      });
    }, patienceFor(nodes));
  }

  async #move(slots: readonly string[], from: ClusterNode, to: ClusterNode): Promise<void> {
    const set = (node: ClusterNode, ...state: string[]) =>
      Promise.all(slots.map((slot) => node.ask("CLUSTER", "SETSLOT", slot, ...state)));
    await set(to, "IMPORTING", from.id);
    await set(from, "MIGRATING", to.id);
    await Promise.all(slots.map((slot) => this.#moveKeys(slot, from, to)));
    await set(to, "NODE", to.id);
    await set(from, "NODE", to.id);
  }

  async #moveKeys(slot: string, from: ClusterNode, to: ClusterNode): Promise<void> {
    for (;;) {
      const asked = from.ask("CLUSTER", "GETKEYSINSLOT", slot, String(KEYS_AT_A_TIME));
      const keys = (await asked) as string[];
      if (keys.length === 0) return;
      const { migrateArgs = [] } = this.#options;
      const where = ["127.0.0.1", String(to.redis.port), "", "0", "5000", ...migrateArgs];
      await from.ask("MIGRATE", ...where, "KEYS", ...keys);
    }
  }

  #present(): readonly ClusterNode[] {
    return this.nodes.filter((node) => !this.#away.has(node));
  }

  async #slots() {
    return rangesIn(await this.#askOne("CLUSTER", "SLOTS"));
  }

  /** Asks whoever answers first. */
  #askOne(...args: string[]): Promise<unknown> {
    return Promise.any(this.#present().map(({ ask }) => ask(...args)));
  }
}

function patienceFor(nodes: readonly ClusterNode[]): number {
  return ELECTION_MS + nodes.length * GOSSIP_MS;
}

type Member = readonly [endpoint: string, port: number, id: string];

function rangesIn(reply: unknown) {
  const ranges = reply as readonly (readonly [number, number, ...Member[]])[];
  return ranges.map(([first, last, master, ...replicas]) => ({
    first,
    last,
    id: master?.[2] ?? "",
    replicas: replicas.map(([, , id]) => id).sort(),
  }));
}

/** What all nodes have to agree on. */
function ownersIn(reply: unknown) {
  return rangesIn(reply).sort((a, b) => a.first - b.first);
}

function slotsOf(reply: unknown, node: string): readonly number[] {
  return rangesIn(reply)
    .filter(({ id }) => id === node)
    .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
}
