import { memoryCluster, redisCluster, type Cluster } from "./cluster/cluster.js";
import type { Config } from "./config/config.js";
import { remoteKeys } from "./edge/gate/remote-keys.js";
import { oneKey, TokenVerifier } from "./edge/gate/token-verifier.js";
import type { Logger } from "./telemetry/log.js";
import type { Refusals } from "./telemetry/refusals.js";

// The parts of which the configuration says which kind they are.

/** `undefined` where anyone may come in. */
export function openVerifier({ auth }: Config, log: Logger): TokenVerifier | undefined {
  switch (auth.kind) {
    case "off":
      return undefined;
    case "secret":
      return new TokenVerifier(oneKey(auth.secret, auth.algorithms));
    case "public-key":
      return new TokenVerifier(oneKey(auth.key, auth.algorithms));
    case "jwks":
      return new TokenVerifier(remoteKeys(auth.url, auth.algorithms, log));
  }
}

/** What replicas share: in memory there is no other one. */
export function openCluster(config: Config, log: Logger, refusals: Refusals): Cluster {
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
  };
  switch (config.cluster.kind) {
    case "memory":
      return memoryCluster(options);
    case "redis":
      return redisCluster(config.cluster.url, options);
  }
}
