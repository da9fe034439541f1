import type { Owner } from "./ends.js";
import { eventually } from "../eventually.js";
import { startRedis, type RedisServer } from "../processes/redis-server.js";
import { adminOf } from "../processes/redis-users.js";

/**
 * A primary that sends replicas what it has at once.
 *
 * @param args - more arguments
 */
export async function startPrimary(t: Owner, args: readonly string[] = []): Promise<RedisServer> {
  const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0", ...args] });
  t.teardown(() => primary.stop());
  return primary;
}

/**
 * Starts a replica, and resolves when it has all.
 *
 * @param args - more arguments
 */
export async function startReplica(
  t: Owner,
  primary: { readonly port: number },
  args: readonly string[] = [],
): Promise<RedisServer> {
  const replica = await startRedis({
    args: [
      ...["--replicaof", "127.0.0.1", String(primary.port)],
      ...["--repl-diskless-sync-delay", "0", ...args],
    ],
  });
  t.teardown(() => replica.stop());
  await isFollowing(t, replica);
  return replica;
}

/** Resolves when it follows its primary. */
export async function isFollowing(t: Owner, replica: RedisServer): Promise<void> {
  const admin = await adminOf(t, replica);
  await eventually(async () => (await admin.info("replication")).includes("master_link_status:up"));
}
