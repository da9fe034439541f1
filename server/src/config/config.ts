import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { DEFAULT_HISTORY_LIMITS } from "@inthon/emitter";
import { AUTH_READERS, toAuth, type AuthConfig } from "./auth.js";
import { CANARY_READERS, toCanary, type CanaryConfig } from "./canary.js";
import { DRAIN_READERS, toDrain, type DrainConfig } from "./drain.js";
import { LIMIT_READERS, toLimits, type Limits } from "./limits.js";
import { readOrigins } from "./origins.js";
import { readPublishKeys } from "./keys/publish-keys.js";
import { findMisspelt } from "./misspelt.js";
import { onOrOff, wholeNumber, type Reader } from "./readers.js";
import { readTrustProxy, type TrustProxy } from "./trust-proxy.js";
import { REDIS_READERS, toCluster, type ClusterConfig } from "./redis.js";

/** What the environment says, checked. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Where `GET /metrics` is answered; `undefined`: nowhere. */
  readonly metricsPort: number | undefined;
  readonly canary: CanaryConfig | undefined;
  /** Unique among the live replicas. Clients can see it. */
  readonly nodeId: string;
  readonly logLevel: LogLevel;
  readonly cluster: ClusterConfig;
  /** How long a connection to Redis that is open and does not work may go unnoticed. */
  readonly redisLinkTimeoutMs: number;
  readonly historyLimit: number;
  readonly historyTtlMs: number;
  /** How often a client is asked for a sign of life. */
  readonly pingIntervalMs: number;
  /** How long it may take to give one. */
  readonly pingTimeoutMs: number;
  /** A replica that Redis has not heard of for this long is dead to the others. */
  readonly leaseMs: number;
  /** How long the teachers of a replica that has drained are believed to come back elsewhere. */
  readonly handoverMs: number;
  readonly drain: DrainConfig;
  /** How long a teacher may be gone before that is announced. */
  readonly teacherOfflineGraceMs: number;
  /** Who may come in. */
  readonly auth: AuthConfig;
  /** Keys that may publish and read over HTTP; without them and without `auth` anyone may. */
  readonly publishKeys: readonly string[] | undefined;
  /** Origins whose pages may connect, and patterns of them; `undefined` lets any. */
  readonly allowedOrigins: readonly string[] | undefined;
  readonly trustProxy: TrustProxy;
  /** Whether the documents of the interfaces are served. */
  readonly hasDocs: boolean;
  /** Whether the classroom's page is served. */
  readonly hasDemo: boolean;
  /** Whether operators can see the cluster: not in production where nobody needs a key or a token. */
  readonly hasOperator: boolean;
  readonly limits: Limits;
  /** What an operator has said that does nothing. */
  readonly warnings: readonly string[];
}

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A variable that stops the start; the message is one line that names it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly variable: string;
  readonly problem: string;

  constructor(variable: string, problem: string) {
    super(`${variable} ${problem}`);
    this.variable = variable;
    this.problem = problem;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const READERS = {
  HOST: (text) => {
    if (text === undefined) return undefined;
    if (isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text))
      return text;
    throw new Error("must be an IP address or a host name to listen on");
  },
  PORT: wholeNumber(3_000, 0, 65_535),
  METRICS_PORT: (text) => (text === undefined ? undefined : wholeNumber(0, 0, 65_535)(text)),
  NODE_ID: (text) => {
    if (text === undefined) return `${hostname().slice(0, 40)}-${randomBytes(4).toString("hex")}`;
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(text))
      throw new Error("must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
    return text;
  },
  LOG_LEVEL: (text): LogLevel => {
    const level = LOG_LEVELS.find((name) => name === (text ?? "info"));
    if (!level) throw new Error(`must be one of ${LOG_LEVELS.join(", ")}`);
    return level;
  },
  ...REDIS_READERS,
  REDIS_LINK_TIMEOUT_MS: wholeNumber(5_000, 500, 60_000),
  HISTORY_LIMIT: wholeNumber(DEFAULT_HISTORY_LIMITS.historyLimit, 1, 1_000_000),
  HISTORY_TTL_S: wholeNumber(DEFAULT_HISTORY_LIMITS.historyTtlMs / 1_000, 1, 365 * 86_400),
  // Together below 25 s: a connection that died without a word is noticed by then.
  PING_INTERVAL_MS: wholeNumber(10_000, 100, 300_000),
  PING_TIMEOUT_MS: wholeNumber(10_000, 100, 300_000),
  LEASE_MS: wholeNumber(10_000, 1_000, 300_000),
  TEACHER_OFFLINE_GRACE_MS: wholeNumber(0, 0, 600_000),
  PUBLISH_KEYS: readPublishKeys,
  ALLOWED_ORIGINS: readOrigins,
  TRUST_PROXY: readTrustProxy,
  DOCS: onOrOff,
  DEMO: onOrOff,
  ...AUTH_READERS,
  ...CANARY_READERS,
  ...LIMIT_READERS,
  ...DRAIN_READERS,
} satisfies Record<string, Reader<unknown>>;

type Variable = keyof typeof READERS;

/** Every variable that the server reads. */
export const ENVIRONMENT_VARIABLES = Object.keys(READERS) as readonly Variable[];

/**
 * An empty one is a secret that was not found, by Docker Compose for one: to take it for unset would open what it was to
 * close, or give each replica a classroom of its own.
 */
const NEVER_EMPTY: ReadonlySet<Variable> = new Set<Variable>([
  "JWT_SECRET",
  "JWT_PUBLIC_KEY",
  "JWKS_URL",
  "PUBLISH_KEYS",
  "ALLOWED_ORIGINS",
  "TRUST_PROXY",
  "REDIS_URL",
]);

const PER_ADDRESS: readonly Variable[] = [
  "MAX_CONNECTIONS_PER_ADDRESS",
  "NEW_CONNECTIONS_PER_S",
  "NEW_CONNECTIONS_BURST",
];

/**
 * Reads the environment, once.
 *
 * @throws ConfigError naming the first bad variable
 */
export function loadConfig(environment: Environment): Config {
  try {
    return readConfig(environment);
  } catch (error) {
    // What is said to be missing may have been set, under another name.
    const misspelt = findMisspelt(environment, ENVIRONMENT_VARIABLES);
    if (!(error instanceof ConfigError) || misspelt.length === 0) throw error;
    throw new ConfigError(error.variable, `${error.problem} (${misspelt.join("; ")})`);
  }
}

function readConfig(environment: Environment): Config {
  const read = <Name extends Variable>(name: Name): ReturnType<(typeof READERS)[Name]> => {
    // An empty variable is how a manifest says "not set", except of what would then let in anyone.
    const text = environment[name] === "" ? undefined : environment[name];
    if (text !== environment[name] && NEVER_EMPTY.has(name)) {
      throw new ConfigError(name, "is set, but empty: give it a value, or unset it");
    }
    try {
      return READERS[name](text) as ReturnType<(typeof READERS)[Name]>;
    } catch (error) {
      throw new ConfigError(name, error instanceof Error ? error.message : "is not valid");
    }
  };
  const port = read("PORT");
  const metricsPort = read("METRICS_PORT");
  if (metricsPort === port && port !== 0) {
    throw new ConfigError("METRICS_PORT", "is PORT: choose one that clients need not reach");
  }
  const leaseMs = read("LEASE_MS");
  const redisLinkTimeoutMs = read("REDIS_LINK_TIMEOUT_MS");
  if (redisLinkTimeoutMs > leaseMs / 2 && environment["REDIS_LINK_TIMEOUT_MS"]) {
    throw new ConfigError("REDIS_LINK_TIMEOUT_MS", "must be half of LEASE_MS at most");
  }
  const auth = toAuth({
    AUTH: read("AUTH"),
    NODE_ENV: read("NODE_ENV"),
    JWT_SECRET: read("JWT_SECRET"),
    JWT_PUBLIC_KEY: read("JWT_PUBLIC_KEY"),
    JWKS_URL: read("JWKS_URL"),
  });
  if ("variable" in auth) throw new ConfigError(auth.variable, auth.problem);
  const canary = toCanary(read("CANARY_URL"), read("CANARY_TOKEN"), auth);
  if (canary && "problem" in canary) throw new ConfigError("CANARY_TOKEN", canary.problem);
  const cluster = toCluster(read);
  if ("variable" in cluster) throw new ConfigError(cluster.variable, cluster.problem);
  return {
    // Where nobody needs a token, only this machine is let in, unless somebody says otherwise.
    host: read("HOST") ?? (auth.kind === "off" ? "127.0.0.1" : "0.0.0.0"),
    port,
    metricsPort,
    canary,
    nodeId: read("NODE_ID"),
    logLevel: read("LOG_LEVEL"),
    cluster,
    redisLinkTimeoutMs,
    historyLimit: read("HISTORY_LIMIT"),
    historyTtlMs: read("HISTORY_TTL_S") * 1_000,
    pingIntervalMs: read("PING_INTERVAL_MS"),
    pingTimeoutMs: read("PING_TIMEOUT_MS"),
    leaseMs,
    handoverMs: read("HANDOVER_MS"),
    drain: toDrain(read, cluster),
    teacherOfflineGraceMs: read("TEACHER_OFFLINE_GRACE_MS"),
    auth,
    publishKeys: read("PUBLISH_KEYS"),
    allowedOrigins: read("ALLOWED_ORIGINS"),
    trustProxy: read("TRUST_PROXY"),
    hasDocs: read("DOCS") ?? read("NODE_ENV") !== "production",
    hasDemo: read("DEMO") ?? read("NODE_ENV") !== "production",
    hasOperator:
      auth.kind !== "off" ||
      read("PUBLISH_KEYS") !== undefined ||
      read("NODE_ENV") !== "production",
    limits: toLimits(read),
    warnings: [
      ...findMisspelt(environment, ENVIRONMENT_VARIABLES),
      ...idleLimits(environment),
      ...idleToken(environment),
    ],
  };
}

/** Limits of an address that hold for nobody, as nobody has said whose addresses connections have. */
function idleLimits(environment: Environment): string[] {
  if (environment["TRUST_PROXY"] !== undefined) return [];
  const idle = PER_ADDRESS.filter((name) => (environment[name] ?? "") !== "");
  if (idle.length === 0) return [];
  return [
    `${idle.join(", ")}: without effect, as TRUST_PROXY is not set: say false where clients connect directly, else who your proxies are`,
  ];
}

function idleToken(environment: Environment): string[] {
  if ((environment["CANARY_URL"] ?? "") !== "" || (environment["CANARY_TOKEN"] ?? "") === "")
    return [];
  return ["CANARY_TOKEN: without effect, as CANARY_URL is not set: there is no canary"];
}
