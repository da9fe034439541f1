import { readFile } from "node:fs/promises";
import type { RedisClientOptions } from "redis";
import type { RedisTls } from "@inthon/emitter";
import { Authority, type Certificate } from "../../every-redis/helpers/certificates.js";
import { rulesOfReadme } from "../processes/redis-users.js";
import { readDocuments } from "../documents.js";

const PASSWORD = "change-me";
const ADMIN = { username: "admin", password: PASSWORD };

type Rule = readonly string[];

const EVERYWHERE: readonly Rule[] = [
  ["default", "off"],
  ["admin", "on", `>${PASSWORD}`, "~*", "&*", "+@all"],
];
/** Rules of Redis's own documentation, for who replicates and for Sentinels. */
const AT_DATA: readonly Rule[] = [
  ["replica", "on", `>${PASSWORD}`, "-@all", "+psync", "+replconf", "+ping"],
  [
    ...["sentinel", "on", `>${PASSWORD}`, "resetchannels", "&*", "-@all", "+multi", "+exec"],
    ...["+slaveof", "+ping", "+subscribe", "+publish", "+config|rewrite", "+role", "+info"],
    ...["+client|setname", "+client|kill", "+script|kill"],
  ],
];

/** TLS that wants certificates of clients, and the README's users and no other. */
export class Security {
  /** For the emitter's `connect`. */
  readonly tls: RedisTls;
  /** For a replica, beside its URL. */
  readonly env: Readonly<Record<string, string>>;
  readonly #authority: Authority;
  readonly #own: Certificate;
  readonly #rules: Rules;

  private constructor(authority: Authority, own: Certificate, shown: Shown, rules: Rules) {
    this.#authority = authority;
    this.#own = own;
    this.#rules = rules;
    this.tls = shown.tls;
    this.env = {
      REDIS_TLS_CA: authority.ca,
      REDIS_TLS_CERT: shown.cert,
      REDIS_TLS_KEY: shown.key,
    };
  }

  static async create(): Promise<Security> {
    const authority = await Authority.create();
    const own = await authority.sign(["IP:127.0.0.1"]);
    const shown = await authority.sign([]);
    const [ca, cert, key] = await Promise.all(
      [authority.ca, shown.cert, shown.key].map((file) => readFile(file)),
    );
    if (!ca || !cert || !key) throw new Error("three files");
    return new Security(authority, own, { ...shown, tls: { ca, cert, key } }, await readRules());
  }

  /** What a URL has in front of its hosts. */
  userIn(user: "server" | "emitter"): string {
    return `${user}:${PASSWORD}@`;
  }

  /** How the tests themselves ask a node: past TLS, as somebody who may do everything. */
  admin(port: number): RedisClientOptions {
    return { socket: { host: "127.0.0.1", port }, ...ADMIN };
  }

  /**
   * Arguments of a node that holds data.
   *
   * @param isNew - whether it is a Redis that has `CLIENT SETINFO`
   */
  ofNode(tlsPort: number, { isCluster = false, isNew = false } = {}): readonly string[] {
    const rules = [...EVERYWHERE, ...AT_DATA, ...this.#users({ isCluster, isNew })];
    return [
      ...this.#tlsLines(tlsPort, isCluster).flatMap(([name, value]) => [`--${name}`, value]),
      ...["--masteruser", "replica", "--masterauth", PASSWORD],
      ...rules.flatMap((rule) => ["--user", ...rule]),
    ];
  }

  /** Lines of a Sentinel's configuration. */
  ofSentinel(name: string, tlsPort: number, { isNew = false } = {}): readonly string[] {
    const { onSentinels, onNew } = this.#rules;
    const users = ["server", "emitter"].map((user) => [
      user,
      ...onSentinels,
      ...(isNew ? onNew : []),
    ]);
    return [
      ...this.#tlsLines(tlsPort, false).map((line) => line.join(" ")),
      `sentinel auth-user ${name} sentinel`,
      `sentinel auth-pass ${name} ${PASSWORD}`,
      "sentinel sentinel-user admin",
      `sentinel sentinel-pass ${PASSWORD}`,
      ...[...EVERYWHERE, ...users].map((rule) => `user ${rule.join(" ")}`),
    ];
  }

  async remove(): Promise<void> {
    await this.#authority.remove();
  }

  #tlsLines(tlsPort: number, isCluster: boolean): readonly (readonly [string, string])[] {
    return [
      ["tls-port", String(tlsPort)],
      ["tls-auth-clients", "yes"],
      ["tls-replication", "yes"],
      ...(isCluster ? [["tls-cluster", "yes"] as const] : []),
      ["tls-ca-cert-file", this.#authority.ca],
      ["tls-cert-file", this.#own.cert],
      ["tls-key-file", this.#own.key],
    ];
  }

  #users({ isCluster, isNew }: { isCluster: boolean; isNew: boolean }): readonly Rule[] {
    const { users, onCluster, onClusterForServers, onNew } = this.#rules;
    return users.map(([name = "", ...rules]) => [
      name,
      ...rules,
      ...(isCluster ? onCluster : []),
      ...(isCluster && name === "server" ? onClusterForServers : []),
      ...(isNew ? onNew : []),
    ]);
  }
}

interface Shown extends Certificate {
  readonly tls: RedisTls;
}

/** What the README has an operator type: each user with its rules, and what is added where. */
interface Rules {
  readonly users: readonly Rule[];
  readonly onNew: Rule;
  readonly onCluster: Rule;
  readonly onClusterForServers: Rule;
  readonly onSentinels: Rule;
}

async function readRules(): Promise<Rules> {
  const readme = (await readDocuments()).replaceAll(/\s+/g, " ");
  const added = (what: RegExp): readonly string[] => {
    const rules = what.exec(readme)?.[1];
    if (rules === undefined) throw new Error(`the README does not say ${String(what)}`);
    return rules.split(" ");
  };
  return {
    users: (await rulesOfReadme()).map((words) => words.slice(2)),
    onNew: added(/From Redis 7\.2 on, add `([^`]+)` to both/),
    onCluster: added(/On a cluster, make them on every node, and add `([^`]+)` to both/),
    onClusterForServers: added(/to both, and `([^`]+)` to the server's/),
    onSentinels: added(/`server` and `emitter` get on each of them `([^`]+)`/),
  };
}
