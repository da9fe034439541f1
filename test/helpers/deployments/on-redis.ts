import { startCluster, type Cluster, type ClusterOptions } from "../processes/cluster.js";
import type { Owner } from "../topologies/ends.js";
import { startDeployment, type Deployment } from "./deployment.js";
import type { DeploymentOptions } from "./parts.js";

export interface OnRedisOptions extends Omit<ClusterOptions, "redis"> {
  readonly redis?: DeploymentOptions;
}

/**
 * Starts replicas on the Redis that this run of tests is about, which end with the test: for what holds on any, and takes away
 * or spoils the whole of it. A cluster's masters have no replicas here, whom it would be taken from as well.
 */
export async function startOnRedis(
  t: Owner,
  { redis: wanted, ...options }: OnRedisOptions = {},
): Promise<{ cluster: Cluster; redis: Deployment }> {
  const redis = await startDeployment({ replicas: 0, isSecured: false, ...wanted });
  t.teardown(() => redis.stop());
  const { REDIS_URL: url = "" } = redis.env;
  const cluster = await startCluster({ ...options, redis: { url } });
  t.teardown(() => cluster.stop());
  return { cluster, redis };
}
