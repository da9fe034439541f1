import { fileURLToPath } from "node:url";
import t from "tap";
import { ENVIRONMENT_VARIABLES, loadConfig } from "../../server/dist/config/config.js";
import { findMisspelt } from "../../server/dist/config/misspelt.js";
import { run } from "../helpers/processes/run.js";
import { startServer } from "../helpers/processes/server-process.js";

const MAIN = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));
const SECRET = "s3cret-that-no-line-of-it-may-hold";

/** What somebody wrote, and what was meant. */
const MISSPELT: Readonly<Record<string, string>> = {
  ALLOWED_ORGINS: "ALLOWED_ORIGINS",
  ALLOWED_ORIGIN: "ALLOWED_ORIGINS",
  ALLOWED_ORIGINS_LIST: "ALLOWED_ORIGINS",
  JWT_SECRETS: "JWT_SECRET",
  JTW_SECRET: "JWT_SECRET",
  JWT_SECRET_FILE: "JWT_SECRET",
  INTHON_JWT_SECRET: "JWT_SECRET",
  jwt_secret: "JWT_SECRET",
  REDIS_URI: "REDIS_URL",
  PUBLISH_KEY: "PUBLISH_KEYS",
  JWKS_URI: "JWKS_URL",
  DRAIN_DELAY: "DRAIN_DELAY_MS",
  HISTORY_TTL_MS: "HISTORY_TTL_S",
  MAX_CONNECTION: "MAX_CONNECTIONS",
  LOGLEVEL: "LOG_LEVEL",
  REDIS_HOST: "REDIS_URL",
  REDIS_PASSWORD: "REDIS_URL",
  REDIS_SENTINELS: "REDIS_URL",
  REDIS_SENTINEL: "REDIS_URL",
  REDIS_SENTINEL_URL: "REDIS_URL",
  REDIS_SENTINEL_HOSTS: "REDIS_URL",
  REDIS_SENTINEL_MASTER: "REDIS_URL",
  REDIS_SENTINEL_PASSWORD: "REDIS_URL",
  REDIS_MASTER_NAME: "REDIS_URL",
  REDIS_CLUSTER: "REDIS_URL",
  REDIS_CLUSTERS: "REDIS_URL",
  REDIS_CLUSTER_URL: "REDIS_URL",
  REDIS_CLUSTER_URLS: "REDIS_URL",
  REDIS_CLUSTER_NODES: "REDIS_URL",
  INTHON_REDIS_CLUSTER_URL: "REDIS_URL",
  REDIS_MODE: "REDIS_URL",
  REDIS_NODES: "REDIS_URL",
  REDIS_NODE: "REDIS_URL",
  REDIS_ENDPOINT: "REDIS_URL",
  TRUSTED_PROXY: "TRUST_PROXY",
  TRUSTED_PROXIES: "TRUST_PROXY",
  MAX_CONNECTIONS_PER_IP: "MAX_CONNECTIONS_PER_ADDRESS",
  MAX_CONNECTIONS_PER_SESSION: "MAX_CONNECTIONS_PER_ROOM",
  HISTORY_TTL_SECONDS: "HISTORY_TTL_S",
  CORS_ORIGIN: "ALLOWED_ORIGINS",
};

/** What others set. */
const OTHERS = [
  ...["PATH", "HOME", "HOSTNAME", "HOSTTYPE", "USER", "PWD", "SHLVL", "LANG", "PS1", "TZ", "CI"],
  ...["NODE_OPTIONS", "NODE_PATH", "NODE_VERSION", "NODE_NAME", "NODE_IP", "NODE_EXTRA_CA_CERTS"],
  ...["NODE_COMPILE_CACHE", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_DEBUG", "YARN_VERSION"],
  ...["http_proxy", "HTTPS_PROXY", "NO_PROXY", "npm_config_loglevel", "npm_lifecycle_event"],
  ...["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_LOG_LEVEL", "POD_IP", "POD_NAME", "POD_NAMESPACE"],
  ...["HISTORY", "HISTSIZE", "REDIS", "AUTHOR", "HOSTS", "PORTS", "SECRET", "LEASE"],
  ...["", "_SERVICE_HOST", "_SERVICE_PORT", "_SERVICE_PORT_METRICS", "_PORT_3000_TCP"].flatMap(
    (end) => [
      `INTHON${end}`,
      `INTHON_SERVER${end}`,
      `REDIS${end}`,
      `METRICS${end}`,
      `CANARY${end}`,
    ],
  ),
  ...["PROTO", "PORT", "ADDR"].map((end) => `METRICS_PORT_9090_TCP_${end}`),
  ...["KUBERNETES_PORT", "KUBERNETES_SERVICE_HOST", "REDIS_PORT", "REDIS_VERSION", "CORS_METHODS"],
];

void t.test("a variable that looks like one of ours is warned of by one line, once", (t) => {
  for (const [written, meant] of Object.entries(MISSPELT)) {
    const { warnings } = loadConfig({ [written]: SECRET });
    t.strictSame(warnings, [`${written}: not a setting of this server: is ${meant} meant?`]);
  }
  t.strictSame(
    loadConfig({ ALLOWED_ORIGIN: "x", ALLOWED_ORIGINS: "https://a.example" }).warnings,
    [],
  );
  t.end();
});

void t.test("what others set is nobody's business, and neither are ours", (t) => {
  t.strictSame(loadConfig(Object.fromEntries(OTHERS.map((name) => [name, "x"]))).warnings, []);
  // Each alone, so that those next to it are not set.
  for (const name of ENVIRONMENT_VARIABLES) {
    t.strictSame(findMisspelt({ [name]: "x" }, ENVIRONMENT_VARIABLES), [], name);
  }
  t.end();
});

void t.test(
  "it is told at the start, also where that fails for want of the one meant",
  async (t) => {
    const server = await startServer({ env: { ALLOWED_ORGINS: SECRET } });
    t.teardown(() => server.stop());
    t.match(server.output(), /"level":40.*"ALLOWED_ORGINS: .*ALLOWED_ORIGINS meant\?"/);
    t.notMatch(server.output(), SECRET);
    const env = { NODE_ENV: "production", JWT_SECRETS: SECRET };
    const { code, stdout, stderr } = await run(process.execPath, [MAIN], { env });
    t.equal(code, 1);
    t.match(stderr, /^[^\n]*JWT_SECRETS: not a setting of this server: is JWT_SECRET meant\?\)\n$/);
    t.notMatch(stdout + stderr, SECRET);
  },
);
