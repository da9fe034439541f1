import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import t from "tap";
import { ENVIRONMENT_VARIABLES, loadConfig } from "../../server/dist/config/config.js";
import { LIMIT_READERS } from "../../server/dist/config/limits.js";
import { redisTarget } from "../helpers/redis-target.js";
import { freePort } from "../helpers/processes/ports.js";
import { run } from "../helpers/processes/run.js";
import { Launched, minimalEnvironment } from "../helpers/processes/server-process.js";
import { messageOf, pemOf } from "./refused-config.js";

const MAIN = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));
const SECRET = "s3cret-that-no-log-may-hold";
const KEYS = ["16-chars-of-one.", "the-key-of-another"];
const AT_A_TIME = 3;

/** Values that no version may start with. The real server is started with the first of each variable. */
const BAD_VALUES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  HOST: ["http://localhost"],
  PORT: ["-1", "65536", "3000x", "1e3", "0x10"],
  CANARY_URL: [
    "classroom.example",
    `https://user:${SECRET}@classroom.example`,
    `https://classroom.example/?token=${SECRET}`,
    "ftp://classroom.example",
  ],
  CANARY_TOKEN: [`${SECRET} ${SECRET}`, "x".repeat(8_193)],
  METRICS_PORT: ["-1", "65536", "off", "3000"],
  NODE_ID: ["a node", "a/b", "n".repeat(65)],
  LOG_LEVEL: ["loud", "INFO"],
  REDIS_URL: [
    `http://default:${SECRET}@localhost`,
    "localhost:6379",
    `redis//default:${SECRET}@localhost`,
    `redis://default:${SECRET}@localhost:port`,
    `redis://default:${SECRET}@localhost/database`,
    `redis://default:${SECRET}@localhost/1`,
    `redis://default:${SECRET}%zz@localhost`,
    `redis://default:${SECRET}@a,b`,
    `redis://default:${SECRET}@[::1`,
    `redis://${SECRET}@localhost`,
    `redis://default:${SECRET}@localhost?db=0`,
    `redis+cluster://default:${SECRET}@:,:`,
    `redis+sentinel://default:${SECRET}@a,b,c`,
    `redis+nothing://default:${SECRET}@a`,
    "",
  ],
  REDIS_TLS_CA: [`/nowhere/${SECRET}`, ".", `-----BEGIN ${SECRET}`, MAIN],
  REDIS_TLS_CERT: [`/nowhere/${SECRET}`, MAIN],
  REDIS_TLS_KEY: [`/nowhere/${SECRET}`, MAIN],
  REDIS_WAIT_REPLICAS: ["1", "-1", "101", "1.5"],
  REDIS_LINK_TIMEOUT_MS: ["499", "60001", "5s", "5001"],
  HISTORY_LIMIT: ["0", "many", "-5", "1.5", "1000001"],
  HISTORY_TTL_S: ["6h", "0", "31536001"],
  PING_INTERVAL_MS: ["0", "10s"],
  PING_TIMEOUT_MS: ["0", "10s"],
  LEASE_MS: ["999", "10s"],
  TEACHER_OFFLINE_GRACE_MS: ["-1", "600001"],
  PUBLISH_KEYS: [`${SECRET},${SECRET} with spaces`, " , ", "k".repeat(257), "15-chars-of-it.", ""],
  ALLOWED_ORIGINS: ["example.com", `https://user:${SECRET}@example.com`, ",", ""],
  TRUST_PROXY: ["yes", "0", "33", "10.0.0.0/99", "-1", "proxy.example", ",", ""],
  DOCS: ["yes", "ON"],
  DEMO: ["1", "true"],
  MAX_UNREAD_BYTES: ["-1", "1073741825", "1.5"],
  HISTORY_MAX_BYTES: ["-1", "1073741825", "1.5"],
  HISTORY_PAGE_BYTES: ["-1", "67108865", "1.5"],
  MESSAGES_PER_S: ["-1", "10001", "1.5"],
  MESSAGES_BURST: ["-1", "100001", "1.5"],
  MAX_CONNECT_FRAME_BYTES: ["-1", "1048577", "1.5"],
  MAX_FRAME_BYTES: ["-1", "1048577", "1.5"],
  CONNECT_TIMEOUT_MS: ["-1", "300001", "1.5"],
  HEADERS_TIMEOUT_MS: ["-1", "300001", "1.5"],
  REQUESTS_PER_S: ["0", "1000001", "1.5"],
  REQUESTS_BURST: ["0", "1000001", "1.5"],
  MAX_ANSWERS_BYTES: ["2097151", "1073741825", "1.5"],
  MAX_BODIES_BYTES: ["2097151", "1073741825", "1.5"],
  REQUEST_TIMEOUT_MS: ["-1", "300001", "1.5"],
  MAX_CONNECTIONS: ["-1", "10000001", "1.5"],
  MAX_CONNECTIONS_PER_ADDRESS: ["-1", "10000001", "1.5"],
  MAX_CONNECTIONS_PER_ROOM: ["-1", "10000001", "1.5"],
  NEW_CONNECTIONS_PER_S: ["-1", "1000001", "1.5"],
  NEW_CONNECTIONS_BURST: ["-1", "1000001", "1.5"],
  PRESENCE_WINDOW_MS: ["-1", "60001", "1.5"],
  AUTH: ["on", "OFF"],
  NODE_ENV: ["production"],
  JWT_SECRET: ["31-bytes-are-too-few-to-be-safe", ""],
  JWT_PUBLIC_KEY: [
    SECRET,
    pemOf("rsa", { modulusLength: 1_024 }),
    pemOf("ec", { namedCurve: "secp256k1" }),
    pemOf("x25519", {}),
    pemOf("ed25519", {}, "private"),
    pemOf("ed25519", {}).replace("MCow", "MCox"),
    "",
  ],
  JWKS_URL: [
    `ftp://default:${SECRET}@localhost/keys`,
    `https://user:${SECRET}@issuer.example/keys`,
    "http://issuer.example/keys",
    "http://127.0.0.1.issuer.example/keys",
    "issuer.example/keys",
    "",
  ],
  DRAIN_DELAY_MS: ["-1", "600001", "10s"],
  DRAIN_SPREAD_MS: ["soon", "-1", "600001"],
  HANDOVER_MS: ["999", "600001", "30s"],
};

void t.test("a wrong value ends the start with one line that names the variable", async (t) => {
  t.jobs = AT_A_TIME;
  for (const [name, [value]] of Object.entries(BAD_VALUES)) {
    // Those of limits are read alike.
    if (Object.hasOwn(LIMIT_READERS, name) && name !== "MAX_UNREAD_BYTES") continue;
    void t.test(`${name}=${value}`, async (t) => {
      const env = { HOST: "127.0.0.1", PORT: "0", [name]: value };
      const { code, stdout, stderr } = await run(process.execPath, [MAIN], { env });
      t.equal(code, 1);
      t.match(stderr, new RegExp(`^${name} [^\\n]+\\n$`), "one line");
      t.notMatch(stdout + stderr, SECRET);
    });
  }
});

void t.test("every wrong value is refused, in one line that holds no secret", (t) => {
  for (const [name, values] of Object.entries(BAD_VALUES)) {
    // Whether a name leads anywhere is known when the server listens.
    for (const value of name === "HOST" ? [] : values) {
      const message = messageOf(() => loadConfig({ [name]: value }), name);
      t.match(message, new RegExp(`^${name} [^\\n]+$`), `${name}=${value}`);
      t.notMatch(message, SECRET, `${name}=${value}`);
    }
  }
  const untried = ENVIRONMENT_VARIABLES.filter((name) => !Object.hasOwn(BAD_VALUES, name));
  t.strictSame(untried, [], "each variable that the server reads is in the table");
  t.end();
});

void t.test("a database number is refused: its Pub/Sub would be every other one's too", (t) => {
  const refusal = messageOf(() => loadConfig({ REDIS_URL: "redis://localhost/1" }), "REDIS_URL");
  t.match(refusal, /database number.*leave it out/);
  for (const path of ["", "/", "/0"]) {
    t.doesNotThrow(() => loadConfig({ REDIS_URL: `redis://localhost:6379${path}` }));
  }
  t.end();
});

void t.test("the log never holds the password of a Redis that cannot be reached", async (t) => {
  const port = await freePort();
  const server = await Launched.start(process.execPath, [MAIN], {
    env: {
      ...minimalEnvironment(),
      HOST: "127.0.0.1",
      PORT: "0",
      LOG_LEVEL: "trace",
      REDIS_URL: `redis://default:${SECRET}@127.0.0.1:${String(port)}`,
    },
  });
  t.teardown(() => server.stop());
  await server.waitForLine((line) => line.includes("Redis is away") || undefined);
  await server.stop();
  t.match(server.output(), "ECONNREFUSED");
  t.notMatch(server.output(), SECRET);
});

void t.test("without any variable the server runs alone, in memory, on port 3000", (t) => {
  const { nodeId, ...config } = loadConfig({});
  t.strictSame(config, {
    host: "127.0.0.1",
    auth: { kind: "off" },
    port: 3_000,
    metricsPort: undefined,
    canary: undefined,
    logLevel: "info",
    cluster: { kind: "memory" },
    redisLinkTimeoutMs: 5_000,
    historyLimit: 1_000,
    historyTtlMs: 21_600_000,
    pingIntervalMs: 10_000,
    pingTimeoutMs: 10_000,
    leaseMs: 10_000,
    handoverMs: 30_000,
    drain: { delayMs: 0, spreadMs: 0, graceMs: 15_000 },
    teacherOfflineGraceMs: 0,
    publishKeys: undefined,
    allowedOrigins: undefined,
    trustProxy: undefined,
    hasDocs: true,
    hasDemo: true,
    hasOperator: true,
    limits: {
      maxUnreadBytes: 1_048_576,
      historyMaxBytes: 4_194_304,
      historyPageBytes: 1_048_576,
      messagesPerS: 20,
      messagesBurst: 50,
      maxConnectFrameBytes: 65_536,
      maxFrameBytes: 4_096,
      connectTimeoutMs: 10_000,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 30_000,
      requestsPerS: 500,
      requestsBurst: 1_000,
      maxBodiesBytes: 33_554_432,
      maxAnswersBytes: 33_554_432,
      maxConnections: 20_000,
      maxConnectionsPerAddress: 1_000,
      maxConnectionsPerRoom: 0,
      newConnectionsPerS: 100,
      newConnectionsBurst: 1_000,
      presenceWindowMs: 2_000,
    },
    warnings: [],
  });
  t.match(nodeId, /^[A-Za-z0-9._-]{1,64}$/);
  t.not(loadConfig({}).nodeId, nodeId, "two replicas on one machine have two names");
  const harmless = ENVIRONMENT_VARIABLES.filter((name) => !BAD_VALUES[name]?.includes(""));
  const empty = Object.fromEntries(harmless.map((name) => [name, ""]));
  t.strictSame({ ...loadConfig(empty), nodeId }, { ...config, nodeId }, "empty is not set");
  t.end();
});

void t.test("good values are taken as they are", (t) => {
  const drain = { delayMs: 10_000, spreadMs: 20_000, graceMs: 45_000 };
  const tls = { ca: undefined, cert: undefined, key: undefined };
  const redis = (url: string) => ({
    cluster: { kind: "redis", target: redisTarget(url), tls, waitReplicas: 0 },
    drain,
  });
  const cases: readonly (readonly [string, string, object])[] = [
    ["HOST", "::1", { host: "::1" }],
    ["PORT", "0", { port: 0 }],
    ["PORT", "65535", { port: 65_535 }],
    ["CANARY_URL", "https://a.example/", { canary: { url: "wss://a.example", token: undefined } }],
    ["CANARY_URL", "http://a:80/b", { canary: { url: "ws://a/b", token: undefined } }],
    ["METRICS_PORT", "9464", { metricsPort: 9_464 }],
    ["METRICS_PORT", "0", { metricsPort: 0 }],
    ["NODE_ID", "replica-1.zone_b", { nodeId: "replica-1.zone_b" }],
    ["LOG_LEVEL", "silent", { logLevel: "silent" }],
    ["REDIS_URL", "redis://localhost:6379", redis("redis://localhost:6379")],
    ["REDIS_URL", "redis://[::1]:6380", redis("redis://[::1]:6380")],
    ["REDIS_URL", "rediss://u:p%40ss@host:6380/0", redis("rediss://u:p%40ss@host:6380/0")],
    ["REDIS_LINK_TIMEOUT_MS", "500", { redisLinkTimeoutMs: 500 }],
    ["REDIS_LINK_TIMEOUT_MS", "60000", { redisLinkTimeoutMs: 60_000 }],
    ["HISTORY_LIMIT", "1", { historyLimit: 1 }],
    ["HISTORY_LIMIT", "1000000", { historyLimit: 1_000_000 }],
    ["HISTORY_TTL_S", "1", { historyTtlMs: 1_000 }],
    ["PING_INTERVAL_MS", "100", { pingIntervalMs: 100 }],
    ["PING_TIMEOUT_MS", "300000", { pingTimeoutMs: 300_000 }],
    ["LEASE_MS", "1000", { leaseMs: 1_000 }],
    ["DRAIN_DELAY_MS", "1000", { drain: { delayMs: 1_000, spreadMs: 0, graceMs: 16_000 } }],
    ["DRAIN_SPREAD_MS", "600000", { drain: { delayMs: 0, spreadMs: 600_000, graceMs: 615_000 } }],
    ["HANDOVER_MS", "60000", { handoverMs: 60_000 }],
    ["TEACHER_OFFLINE_GRACE_MS", "600000", { teacherOfflineGraceMs: 600_000 }],
    ["PUBLISH_KEYS", ` ${KEYS.join(", ")} ,,`, { publishKeys: KEYS }],
    ["ALLOWED_ORIGINS", "http://localhost:5173", { allowedOrigins: ["http://localhost:5173"] }],
    [
      "ALLOWED_ORIGINS",
      "https://a.example , https://b.example:8443",
      { allowedOrigins: ["https://a.example", "https://b.example:8443"] },
    ],
    ["DOCS", "off", { hasDocs: false }],
    ["DEMO", "off", { hasDemo: false }],
    ["TRUST_PROXY", "true", { trustProxy: true }],
    ["TRUST_PROXY", "false", { trustProxy: false }],
    ["TRUST_PROXY", "2", { trustProxy: 2 }],
    ["TRUST_PROXY", "10.0.0.0/8, loopback", { trustProxy: ["10.0.0.0/8", "loopback"] }],
  ];
  for (const [name, value, expected] of cases) {
    const beside = name === "REDIS_LINK_TIMEOUT_MS" ? { LEASE_MS: "120000" } : {};
    const { nodeId, ...defaults } = loadConfig({ NODE_ID: "fixed", ...beside });
    t.strictSame(
      loadConfig({ NODE_ID: "fixed", [name]: value, ...beside }),
      { nodeId, ...defaults, ...expected },
      `${name}=${value}`,
    );
  }
  t.end();
});

void t.test("who may come in is said in one way, and in production it is said", (t) => {
  const JWT_SECRET = randomBytes(16).toString("hex");
  const JWKS_URL = "https://issuer.example/keys";
  const production = { NODE_ENV: "production" };
  t.match(
    messageOf(() => loadConfig(production), "NODE_ENV"),
    /set JWT_SECRET.*AUTH=off/,
  );
  const open = { ...production, AUTH: "off" };
  t.match(loadConfig(open), { auth: { kind: "off" }, hasDocs: false, hasDemo: false });
  t.match(loadConfig({ ...open, DOCS: "on" }), { hasDocs: true, hasDemo: false });
  t.match(loadConfig({ ...open, DEMO: "on" }), { hasDocs: false, hasDemo: true });
  t.match(loadConfig({ ...production, JWT_SECRET }), { auth: { kind: "secret" } });
  t.match(loadConfig({ ...production, JWKS_URL }), { auth: { kind: "jwks" } });
  t.match(loadConfig({ NODE_ENV: "test" }), { auth: { kind: "off" } });
  t.match(
    messageOf(() => loadConfig({ JWT_SECRET, JWKS_URL }), "JWKS_URL"),
    /beside JWT_SECRET/,
  );
  t.match(
    messageOf(() => loadConfig({ JWT_SECRET, AUTH: "off" }), "AUTH"),
    /JWT_SECRET is set/,
  );
  for (const url of ["http://localhost:8080/keys", "http://127.0.0.1/keys", "http://[::1]/keys"]) {
    t.match(loadConfig({ JWKS_URL: url }), { auth: { kind: "jwks" } }, url);
  }
  t.end();
});

void t.test("a canary needs a token where the server cannot sign one", (t) => {
  const CANARY_URL = "https://classroom.example";
  const JWKS_URL = "https://issuer.example/keys";
  t.match(
    messageOf(() => loadConfig({ CANARY_URL, JWKS_URL }), "CANARY_TOKEN"),
    /must be set beside CANARY_URL/,
  );
  t.match(loadConfig({ CANARY_URL, JWKS_URL, CANARY_TOKEN: "t" }), { canary: { token: "t" } });
  t.match(loadConfig({ CANARY_URL, JWT_SECRET: "s".repeat(32) }), { canary: { token: undefined } });
  const idle = loadConfig({ CANARY_TOKEN: "t" });
  t.match(idle, { canary: undefined, warnings: [/^CANARY_TOKEN: without effect/] });
  t.strictSame(loadConfig({ CANARY_URL, CANARY_TOKEN: "t" }).warnings, []);
  t.end();
});

void t.test("without tokens only this machine is listened to, unless HOST says otherwise", (t) => {
  const JWT_SECRET = randomBytes(16).toString("hex");
  t.equal(loadConfig({ AUTH: "off" }).host, "127.0.0.1");
  t.equal(loadConfig({ JWT_SECRET }).host, "0.0.0.0");
  t.equal(loadConfig({ HOST: "0.0.0.0" }).host, "0.0.0.0");
  t.equal(loadConfig({ HOST: "127.0.0.1", JWT_SECRET }).host, "127.0.0.1");
  t.end();
});

void t.test("the kind of a public key says which algorithms may sign tokens", (t) => {
  const algorithmsOf = (type: string, options: object) => {
    const { auth } = loadConfig({ JWT_PUBLIC_KEY: pemOf(type, options) });
    return auth.kind === "public-key" ? auth.algorithms.join(" ") : auth.kind;
  };
  const pss = "PS256 PS384 PS512";
  t.equal(algorithmsOf("rsa", { modulusLength: 2_048 }), `RS256 RS384 RS512 ${pss}`);
  t.equal(algorithmsOf("rsa-pss", { modulusLength: 2_048 }), pss);
  t.equal(algorithmsOf("ec", { namedCurve: "P-256" }), "ES256");
  t.equal(algorithmsOf("ec", { namedCurve: "P-384" }), "ES384");
  t.equal(algorithmsOf("ec", { namedCurve: "P-521" }), "ES512");
  t.equal(algorithmsOf("ed25519", {}), "EdDSA Ed25519");
  t.end();
});

void t.test("who cannot listen says so in one line that names the variable", async (t) => {
  const port = String(await freePort());
  const first = await Launched.start(process.execPath, [MAIN], {
    env: { ...minimalEnvironment(), HOST: "127.0.0.1", PORT: port },
  });
  t.teardown(() => first.stop());
  await first.waitForLine((line) => line.includes("listening") || undefined);
  const places = [
    ["PORT", { HOST: "127.0.0.1", PORT: port }],
    ["METRICS_PORT", { HOST: "127.0.0.1", PORT: "0", METRICS_PORT: port }],
    ["HOST", { HOST: "nowhere.invalid", PORT: "0" }],
  ] as const;
  for (const [name, env] of places) {
    const { code, stdout, stderr } = await run(process.execPath, [MAIN], { env });
    t.equal(code, 1);
    t.match(stderr, new RegExp(`^${name} [^\\n]+\\n$`), "one line");
    t.notMatch(stdout, /"level":60|clos/, "and nothing of an end");
  }
});
