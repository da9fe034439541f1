import type { createClient } from "redis";
import { slotOf, type RedisTls } from "@inthon/emitter";
import type { RedisServer } from "../processes/redis-server.js";
import { Ends } from "../topologies/ends.js";
import { isRunSecured, kindOfRun, type RedisKind } from "./kinds.js";
import { clientAt, PartStarter, type Ask, type DeploymentOptions, type Parts } from "./parts.js";
import { Security } from "./security.js";

/** Starts Redis as it may be deployed, and resolves when all of it works. */
export async function startDeployment(options: DeploymentOptions = {}): Promise<Deployment> {
  const kind = options.kind ?? kindOfRun() ?? "standalone";
  const owner = new Ends();
  try {
    const isSecured = options.isSecured ?? isRunSecured();
    const security = isSecured ? await Security.create() : undefined;
    if (security) owner.teardown(() => security.remove());
    const parts = await new PartStarter(owner, options, security).start(kind);
    const deployment = await Deployment.of({ kind, security, ...parts });
    owner.teardown(() => {
      deployment.leave();
    });
    return Object.assign(deployment, { stop: () => owner.end() });
  } catch (error) {
    await owner.end();
    throw error;
  }
}

type Client = ReturnType<typeof createClient>;

interface DeploymentParts extends Parts {
  readonly kind: RedisKind;
  readonly security: Security | undefined;
}

/** A Redis that runs, as one thing, whatever it is made of. */
export class Deployment {
  readonly kind: RedisKind;
  /** What a replica's environment says of it. */
  readonly env: Readonly<Record<string, string>>;
  /** For the emitter's `connect`, with {@link Deployment.tls}. */
  readonly emitterUrl: string;
  readonly tls: RedisTls | undefined;
  /** All that hold data, those that only follow included. */
  readonly nodes: readonly RedisServer[];
  /** Ends it. */
  declare readonly stop: () => Promise<void>;
  readonly #parts: DeploymentParts;
  readonly #clients: readonly Client[];
  /** Those that take writes, as it was started. */
  readonly primaries: readonly Client[];
  readonly #ofSlot: (slot: number) => Client;

  private constructor(parts: DeploymentParts, clients: readonly Client[], owners: Owners) {
    const { kind, security, urlFor, nodes } = parts;
    this.#parts = parts;
    this.#clients = clients;
    this.kind = kind;
    this.nodes = nodes;
    this.tls = security?.tls;
    this.env = { REDIS_URL: urlFor(security?.userIn("server") ?? ""), ...security?.env };
    this.emitterUrl = urlFor(security?.userIn("emitter") ?? "");
    this.primaries = owners.primaries;
    this.#ofSlot = owners.ofSlot;
  }

  /** @internal Use {@link startDeployment}. */
  static async of(parts: DeploymentParts): Promise<Deployment> {
    const clients = await Promise.all(parts.nodes.map((node) => clientAt(node, parts.security)));
    return new Deployment(parts, clients, await ownersOf(parts, clients));
  }

  /** Who may do everything, at the node that a key is at. */
  at(key: string): Client {
    return this.#ofSlot(slotOf(key));
  }

  /** Asks every node that takes writes. */
  async everywhere(...words: readonly string[]): Promise<readonly unknown[]> {
    return Promise.all(this.primaries.map((client) => client.sendCommand([...words])));
  }

  /** All keys like that, wherever they are. */
  async keys(pattern: string): Promise<readonly string[]> {
    return (await this.everywhere("KEYS", pattern)).flatMap((keys) => keys as string[]);
  }

  /** Deletes keys, wherever they are. */
  async del(...keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.at(key).del(key)));
  }

  /** What anybody was denied anywhere, as each node's `ACL LOG` has it. */
  async denied(): Promise<readonly unknown[]> {
    const asked = [
      ...this.#clients.map(
        (client): Ask =>
          (...words) =>
            client.sendCommand(words),
      ),
      ...(this.#parts.sentinels ?? []).map(({ askAnything }) => askAnything),
    ];
    const logs = await Promise.all(asked.map((ask) => ask("ACL", "LOG", "100")));
    return logs.flatMap((log) => log as readonly unknown[]);
  }

  /** Forgets all that was told to it, and keeps its incarnation. */
  async empty(): Promise<void> {
    await Promise.all(this.primaries.map((client) => client.flushAll()));
  }

  /** Resolves when none of its present processes that hold data lives. */
  get exited(): Promise<unknown> {
    return Promise.all(this.nodes.map(({ exited }) => exited));
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    for (const node of this.nodes) node.kill(signal);
  }

  pause(): void {
    this.kill("SIGSTOP");
  }

  resume(): void {
    this.kill("SIGCONT");
  }

  /** Starts again all that hold data, and resolves when they work together. */
  async restart(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.restart()));
    await this.#parts.cluster?.settled();
  }

  /** @internal */
  leave(): void {
    for (const client of this.#clients) client.destroy();
  }
}

interface Owners {
  readonly primaries: readonly Client[];
  readonly ofSlot: (slot: number) => Client;
}

async function ownersOf(parts: DeploymentParts, clients: readonly Client[]): Promise<Owners> {
  const [first] = clients;
  if (!first) throw new Error("a node");
  const { cluster } = parts;
  if (!cluster) return { primaries: [first], ofSlot: () => first };
  const masters = (await cluster.masters()).map(({ redis }) => redis);
  const ranges = (await cluster.nodes[0]?.ask("CLUSTER", "SLOTS")) as [
    number,
    number,
    [string, number, string],
  ][];
  const clientOf = (redis: RedisServer | undefined) =>
    clients[parts.nodes.findIndex((node) => node === redis)] ?? first;
  return {
    primaries: masters.map(clientOf),
    ofSlot: (slot) => {
      const [, , [, , id] = []] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? [];
      return clientOf(cluster.nodes.find((node) => node.id === id)?.redis);
    },
  };
}
