import type { Owner } from "./ends.js";
import { eventually } from "../eventually.js";
import { startRedis, type RedisServer } from "../processes/redis-server.js";
import { adminOf } from "../processes/redis-users.js";

/** A primary that sends replicas what it has at once. */
export async function startPrimary(t: Owner): Promise<RedisServer> {
  const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  t.teardown(() => primary.stop());
  return primary;
}

/** Starts a replica, and resolves when it has all. */
export async function startReplica(t: Owner, primary: RedisServer): Promise<RedisServer> {
  const replica = await startRedis({
    args: [
      ...["--replicaof", "127.0.0.1", String(primary.port)],
      ...["--repl-diskless-sync-delay", "0"],
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
