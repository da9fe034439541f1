import type { RequestListener } from "node:http";
import { SignJWT } from "jose";
import type { Emitter } from "@inthon/emitter";
import { memoryCluster, redisCluster, type Cluster } from "./cluster/cluster.js";
import type { Config } from "./config/config.js";
import { tlsFrom } from "./config/redis.js";
import type { ClientAddresses } from "./edge/gate/client-addresses.js";
import { remoteKeys } from "./edge/gate/keys/remote-keys.js";
import { oneKey, type TrustedKeys } from "./edge/gate/token-verifier.js";
import type { Pace } from "./edge/intake/pace.js";
import { guard, listenOn, type Drop } from "./edge/guard.js";
import { closeOnClientError, createLimitedServer, type ServerLimits } from "./edge/http/server.js";
import { Canary } from "./telemetry/canary.js";
import type { Counts } from "./telemetry/counts.js";
import type { Logger } from "./telemetry/log.js";
import type { Present } from "./telemetry/prometheus/metrics.js";
import type { MetricsServer } from "./telemetry/prometheus/server.js";
import type { Refusals } from "./telemetry/refusals.js";

// The parts of which the configuration says which kind they are.

/** What every way in has, of the replica. */
export interface Doors {
  readonly addresses: ClientAddresses;
  readonly refusals: Refusals;
  readonly refusing: Pace;
  readonly drop: Drop;
}

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
    drainSpreadMs: config.drain.spreadMs,
    presenceWindowMs: config.limits.presenceWindowMs,
    linkTimeoutMs: config.redisLinkTimeoutMs,
    log,
    refusals,
    counts,
  };
  switch (config.cluster.kind) {
    case "memory":
      return memoryCluster(options);
    case "redis": {
      const { target, tls, waitReplicas } = config.cluster;
      return redisCluster(target, tlsFrom(tls), waitReplicas, options);
    }
  }
}

/** Of one who scrapes, whom a replica owes less than clients: about forty scrapes in a second, one after the other. */
const SCRAPING: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  maxAnswersBytes: 4_194_304,
  requestsPerS: 200,
  requestsBurst: 1_000,
};

/** Serves the metrics, where a port is set for them: prom-client is loaded then only. */
export async function openMetrics(
  { host, metricsPort }: Config,
  counts: Counts,
  { addresses, refusals, refusing, drop }: Doors,
  present: Present,
): Promise<MetricsServer | undefined> {
  if (metricsPort === undefined) return undefined;
  const [{ createRegistry }, { MetricsServer }] = await Promise.all([
    import("./telemetry/prometheus/metrics.js"),
    import("./telemetry/prometheus/server.js"),
  ]);
  const parts = { addresses, refusals, isDraining: present.isDraining, drop };
  const serverFor = (listener: RequestListener) => {
    const server = createLimitedServer(SCRAPING, parts, listener);
    listenOn(server, drop);
    return server.on(
      "clientError",
      guard(drop, (_error, socket) => socket, closeOnClientError(refusals, refusing)),
    );
  };
  const registry = createRegistry(counts, refusals, present);
  return MetricsServer.listen(registry, serverFor, host, metricsPort);
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
