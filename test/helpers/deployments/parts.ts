import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createClient } from "redis";
import { PRIMARY_NAME, startSentinels, urlOf } from "../topologies/sentinels.js";
import { eventually } from "../eventually.js";
import { freePort } from "../processes/ports.js";
import { startRedisCluster, type RedisCluster } from "../processes/redis-cluster.js";
import { startRedis, type RedisServer } from "../processes/redis-server.js";
import { redisFile, type RedisProgram } from "../tools/redis-programs.js";
import type { Owner } from "../topologies/ends.js";
import type { RedisKind } from "./kinds.js";
import type { Security } from "./security.js";

const REPLICAS_OF_PRIMARY = 2;
/** Tests of failovers have deployments of their own. Here nobody is replaced who is away for a moment. */
const NEVER_DOWN_MS = 600_000;

export interface DeploymentOptions {
  /** By default what this run of tests is about, else one Redis on its own. */
  readonly kind?: RedisKind;
  /** With TLS, certificates of clients, and the README's users; by default as this run of tests has it. */
  readonly isSecured?: boolean;
  readonly program?: RedisProgram | undefined;
  /** Keeps the data across a restart. Without it a restart is a loss of memory. */
  readonly appendOnly?: boolean;
  /** Where the data of one on its own lies; by default a temporary directory. */
  readonly dir?: string;
  /** More arguments of every node. */
  readonly args?: readonly string[];
  /** Of a cluster's masters; one by default. */
  readonly replicas?: number;
}

export type Ask = (...words: string[]) => Promise<unknown>;
/** What a deployment is made of. */
export interface Parts {
  /** By which it is found: its URL for a user. */
  readonly urlFor: (user: string) => string;
  readonly nodes: readonly RedisServer[];
  readonly cluster?: RedisCluster;
  readonly sentinels?: readonly { readonly askAnything: Ask }[];
}

/** Somebody who may do everything at this node. */
export async function clientAt({ port, url }: RedisServer, security: Security | undefined) {
  const client = createClient(security?.admin(port) ?? { url });
  // Some of those that it leads to are killed.
  client.on("error", () => undefined);
  return client.connect();
}

/** Starts the parts of each kind. */
export class PartStarter {
  readonly #owner: Owner;
  readonly #options: DeploymentOptions;
  readonly #security: Security | undefined;

  constructor(owner: Owner, options: DeploymentOptions, security: Security | undefined) {
    this.#owner = owner;
    this.#options = options;
    this.#security = security;
  }

  async start(kind: RedisKind): Promise<Parts> {
    switch (kind) {
      case "standalone": {
        const node = await this.#startNode();
        return { nodes: [node.redis], urlFor: (user) => this.#url("redis", user, [node.port]) };
      }
      case "sentinel":
        return this.#startSentinels();
      case "cluster":
        return this.#startCluster();
    }
  }

  async #startSentinels(): Promise<Parts> {
    const security = this.#security;
    const primary = await this.#startNode();
    const replicaOf = ["--replicaof", "127.0.0.1", String(primary.port)];
    const replicas = await Promise.all(
      Array.from({ length: REPLICAS_OF_PRIMARY }, () => this.#startNode(replicaOf)),
    );
    const nodes = [primary, ...replicas].map(({ redis }) => redis);
    const tlsPorts = await Promise.all([freePort(), freePort(), freePort()]);
    const isNew = await this.#isNew();
    const sentinels = await startSentinels(this.#owner, primary.port, {
      replicas: REPLICAS_OF_PRIMARY,
      program: this.#options.program,
      ...(security && { admin: (port: number) => security.admin(port) }),
      lines: (i) => [
        `sentinel down-after-milliseconds ${PRIMARY_NAME} ${String(NEVER_DOWN_MS)}`,
        ...(security?.ofSentinel(PRIMARY_NAME, tlsPorts[i] ?? 0, { isNew }) ?? []),
      ],
    });
    const follows = async (node: RedisServer) => {
      const client = await clientAt(node, security);
      await eventually(async () =>
        (await client.info("replication")).includes("master_link_status:up"),
      );
      client.destroy();
    };
    await Promise.all(replicas.map(({ redis }) => follows(redis)));
    const ports = security ? tlsPorts : sentinels.map(({ port }) => port);
    return {
      nodes,
      sentinels,
      urlFor: (user) =>
        security
          ? `${this.#url("redis+sentinel", user, ports)}/${PRIMARY_NAME}`
          : urlOf(sentinels, user),
    };
  }

  async #startCluster(): Promise<Parts> {
    const security = this.#security;
    const { appendOnly = false, args = [], program, replicas = 1 } = this.#options;
    const tlsPorts = await Promise.all(Array.from({ length: 3 * (1 + replicas) }, freePort));
    const isNew = await this.#isNew();
    const cluster = await startRedisCluster(this.#owner, {
      replicas,
      program,
      args: (node) => [
        ...["--appendonly", appendOnly ? "yes" : "no", "--cluster-require-full-coverage", "no"],
        ...args,
        ...(security?.ofNode(tlsPorts[node] ?? 0, { isCluster: true, isNew }) ?? []),
      ],
      ...(security && { admin: (port: number) => security.admin(port) }),
    });
    const nodes = cluster.nodes.map(({ redis }) => redis);
    const ports = security ? tlsPorts : nodes.map(({ port }) => port);
    return { nodes, cluster, urlFor: (user) => this.#url("redis+cluster", user, ports) };
  }

  /** @returns it, and the port that clients go to */
  async #startNode(more: readonly string[] = []) {
    const { appendOnly = false, args = [], program, dir } = this.#options;
    const tlsPort = await freePort();
    const isNew = await this.#isNew();
    const redis = await startRedis({
      appendOnly,
      program,
      ...(dir !== undefined && { dir }),
      args: [
        ...["--repl-diskless-sync-delay", "0", ...args],
        ...(this.#security?.ofNode(tlsPort, { isNew }) ?? []),
        ...more,
      ],
    });
    this.#owner.teardown(() => redis.stop());
    return { redis, port: this.#security ? tlsPort : redis.port };
  }

  #url(scheme: string, user: string, ports: readonly number[]): string {
    const hosts = ports.map((port) => `127.0.0.1:${String(port)}`).join(",");
    const [first = "", ...rest] = scheme.split("+");
    return `${[this.#security ? "rediss" : first, ...rest].join("+")}://${user}${hosts}`;
  }

  /** Whether it has what came with Redis 7.2. */
  async #isNew(): Promise<boolean> {
    const file = await redisFile(this.#options.program);
    const { stdout } = await promisify(execFile)(file, ["--version"]);
    return !/v=7\.[01]\./.test(stdout);
  }
}
