import { memoryCluster, redisCluster, type Cluster } from "./cluster/cluster.js";
import { SignJWT } from "jose";
import type { Emitter } from "@inthon/emitter";
import type { Config } from "./config/config.js";
import { remoteKeys } from "./edge/gate/keys/remote-keys.js";
import { oneKey, type TrustedKeys } from "./edge/gate/token-verifier.js";
import { Canary } from "./telemetry/canary.js";
import type { Counts } from "./telemetry/counts.js";
import type { Logger } from "./telemetry/log.js";
import type { Present } from "./telemetry/prometheus/metrics.js";
import type { MetricsServer } from "./telemetry/prometheus/server.js";
import type { Refusals } from "./telemetry/refusals.js";

// The parts of which the configuration says which kind they are.

/** What tokens are checked with; `undefined` where anyone may come in. */
export function openKeys(
  { auth }: Config,
  log: Logger,
  closing: AbortSignal,
): TrustedKeys | undefined {
  switch (auth.kind) {
    case "off":
      return undefined;
    case "secret":
      return oneKey(auth.secret, auth.algorithms);
    case "public-key":
      return oneKey(auth.key, auth.algorithms);
    case "jwks":
      return remoteKeys(auth.url, auth.algorithms, log, closing);
  }
}

/** What replicas share: in memory there is no other one. */
export function openCluster(
  config: Config,
  log: Logger,
  refusals: Refusals,
  counts: Counts,
): Cluster {
  const { nodeId, historyLimit, historyTtlMs, leaseMs, handoverMs } = config;
  const options = {
    nodeId,
    limits: { historyLimit, historyTtlMs, historyMaxBytes: config.limits.historyMaxBytes },
    leaseMs,
    handoverMs,
    presenceWindowMs: config.limits.presenceWindowMs,
    linkTimeoutMs: config.redisLinkTimeoutMs,
    log,
    refusals,
    counts,
  };
  switch (config.cluster.kind) {
    case "memory":
      return memoryCluster(options);
    case "redis":
      return redisCluster(config.cluster.url, options);
  }
}

/** Serves the metrics, where a port is set for them: prom-client is loaded then only. */
export async function openMetrics(
  { host, metricsPort }: Config,
  counts: Counts,
  refusals: Refusals,
  present: Present,
): Promise<MetricsServer | undefined> {
  if (metricsPort === undefined) return undefined;
  const [{ createRegistry }, { MetricsServer }] = await Promise.all([
    import("./telemetry/prometheus/metrics.js"),
    import("./telemetry/prometheus/server.js"),
  ]);
  return MetricsServer.listen(createRegistry(counts, refusals, present), host, metricsPort);
}

/** `undefined` where none is asked for. */
export function openCanary(
  { canary, auth }: Config,
  emitter: Emitter,
  counts: Counts,
  log: Logger,
): Canary | undefined {
  if (!canary) return undefined;
  const { url, token: given } = canary;
  const token =
    given === undefined && auth.kind === "secret"
      ? (session: string) => signFor(session, auth.secret)
      : given !== undefined
        ? () => Promise.resolve(given)
        : undefined;
  const publish = (session: string, note: string, timeoutMs: number) =>
    emitter.emit(session, "important", { note, capture_url: null }, { timeoutMs });
  return new Canary({ url, token, publish, counts, log });
}

/** For a student of this one session. When it runs out, the canary comes back with another one. */
function signFor(session_id: string, secret: Uint8Array): Promise<string> {
  const claims = { session_id, role: "student", sub: "canary" };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("12h")
    .sign(secret);
}
