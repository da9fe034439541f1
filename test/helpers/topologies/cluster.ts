import { slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import {
  startRedisCluster,
  type ClusterNode,
  type RedisCluster,
} from "../processes/redis-cluster.js";
import type { Owner } from "./ends.js";
import type { Ask, Part, Topology, TopologyOptions } from "./topology.js";

const MASTERS = 3;
/** So many go elsewhere at once. */
export const MOVED_SLOTS = 2_000;

/** A Redis Cluster of three masters with a replica each. */
export async function startCluster(owner: Owner, options: TopologyOptions): Promise<Topology> {
  return new ClusterDeployment(
    await startRedisCluster(owner, {
      ...options,
      masters: MASTERS,
      // As our document says: one master that is away stops its own rooms alone.
      args: () => ["--cluster-require-full-coverage", "no"],
    }),
  );
}

class ClusterDeployment implements Topology {
  readonly kind = "cluster";
  readonly size = `a Redis Cluster of ${String(MASTERS)} masters with a replica each`;
  readonly changes = {
    planned: () => this.#plan(),
    migrate: () => this.#migrate(),
    add: () => this.#add(),
    remove: () => this.#remove(),
  };
  readonly #cluster: RedisCluster;
  /** A master that came, and its replica. */
  readonly #added: (readonly [ClusterNode, ClusterNode])[] = [];
  #killed: ClusterNode | undefined;
  #turn = 0;

  constructor(cluster: RedisCluster) {
    this.#cluster = cluster;
  }

  get url(): string {
    return this.#cluster.url();
  }

  parts(): readonly Part[] {
    return this.#cluster.nodes.map(({ redis, port }, i) => ({
      name: `Redis ${String(i + 1)}`,
      port,
      pid: redis.pid,
      exited: redis.exited,
    }));
  }

  hints(session: string) {
    const port = String(this.#cluster.nodes[0]?.redis.port);
    const others = this.#cluster.nodes.slice(1).map(({ redis }) => redis.port);
    const nodes = `redis-cli -p ${port} cluster nodes`;
    const slot = String(slotOf(roomChannel(`session_${session}_student`)));
    const has = `a[1] <= ${slot} && ${slot} <= (a[2] == "" ? a[1] : a[2])`;
    // Roles change with each of these, so none of them names one: who is what is asked first.
    return Promise.resolve([
      [
        `Who is a master now, and has which slots (where this one is dead: -p ${others.join(", ")})`,
        nodes,
      ],
      [
        `Which master has the students of ${session} now, by their slot ${slot}`,
        `${nodes} | awk '{ for (i = 9; i <= NF; i++) { split($i, a, "-"); if (${has}) print $2, $3 } }'`,
      ],
      [
        "Have a replica, by its PORT, take its master's place",
        "redis-cli -p PORT cluster failover",
      ],
      ["Kill a master, by its PORT", "redis-cli -p PORT shutdown nosave now"],
      [
        `Move ${MOVED_SLOTS.toLocaleString("en")} slots, from the ID of one master to that of another`,
        `redis-cli --cluster reshard 127.0.0.1:${port} --cluster-from ID --cluster-to ID ` +
          `--cluster-slots ${String(MOVED_SLOTS)} --cluster-yes`,
      ],
    ] as const);
  }

  nodes() {
    const living = this.#cluster.nodes.filter((node) => node !== this.#killed);
    return living.map(({ redis: { port }, ask }) => ({ port, ask }));
  }

  async ownerOf(key: string): Promise<Ask> {
    return (await this.#cluster.masterOf(slotOf(key))).ask;
  }

  async sessions(name: string, count: number): Promise<readonly string[]> {
    const parts = await Promise.all(
      (await this.#cluster.masters()).map(
        async (master) => new Set((await this.#cluster.slotsOf(master)).slice(0, MOVED_SLOTS)),
      ),
    );
    return Array.from({ length: count }, (_, i) => {
      const part = parts[i % parts.length];
      for (let attempt = 1; ; attempt++) {
        const session = `${name}-${String(i + 1)}-${String(attempt)}`;
        if (part?.has(slotOf(roomChannel(`session_${session}_student`)))) return session;
      }
    });
  }

  async kill(choose: <T>(items: readonly T[]) => T): Promise<void> {
    const master = choose(await this.#cluster.masters());
    this.#killed = master;
    await this.#cluster.kill(master);
  }

  async revive(): Promise<void> {
    if (!this.#killed) throw new Error("nobody has been killed");
    await this.#cluster.revive(this.#killed);
    this.#killed = undefined;
    await this.#cluster.settled();
  }

  settled(): Promise<void> {
    return this.#cluster.settled();
  }

  async #plan(): Promise<void> {
    await this.#cluster.failover(await this.#next());
    await this.#cluster.settled();
  }

  async #migrate(): Promise<void> {
    const from = await this.#next();
    const to = (await this.#cluster.masters()).find((master) => master !== from);
    if (!to) throw new Error("there is one master");
    await this.#cluster.moveSlots(MOVED_SLOTS, from, to);
    await this.#cluster.settled();
  }

  /** With a replica, else nobody could wait for one there. */
  async #add(): Promise<void> {
    const from = await this.#next();
    const master = await this.#cluster.addNode();
    const replica = await this.#cluster.addNode();
    await replica.ask("CLUSTER", "REPLICATE", master.id);
    this.#added.push([master, replica]);
    await this.#cluster.settled();
    await this.#cluster.moveSlots(MOVED_SLOTS, from, master);
    await this.#cluster.settled();
  }

  async #remove(): Promise<void> {
    const pair = this.#added.pop();
    if (!pair) throw new Error("nobody has been added");
    const masters = await this.#cluster.masters();
    // Either of them may be the master by now.
    const from = pair.find((node) => masters.includes(node));
    const to = masters.find((master) => master !== from);
    if (!from || !to) throw new Error("there is one master");
    await this.#cluster.moveSlots(MOVED_SLOTS, from, to);
    await this.#cluster.settled();
    for (const node of [...pair].sort((a) => (a === from ? 1 : -1))) {
      await this.#cluster.removeNode(node);
    }
    await this.#cluster.settled();
  }

  /** One master after the other. */
  async #next(): Promise<ClusterNode> {
    const masters = await this.#cluster.masters();
    const master = masters[this.#turn++ % masters.length];
    if (!master) throw new Error("there is no master");
    return master;
  }
}
