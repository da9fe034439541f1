import { startRedis } from "../processes/redis-server.js";
import { adminOf } from "../processes/redis-users.js";
import type { Owner } from "./ends.js";
import type { Ask, Topology } from "./topology.js";

/** One Redis with an append-only file, as its documents have it by default: written at once, on the disk each second. */
export async function startStandalone(owner: Owner): Promise<Topology> {
  const redis = await startRedis({ appendOnly: true });
  owner.teardown(() => redis.stop());
  const admin = await adminOf(owner, redis);
  const ask: Ask = (...args) => admin.sendCommand(args);
  return {
    kind: "standalone",
    url: redis.url,
    size: "one Redis with an append-only file",
    parts: () => [{ name: "Redis", port: redis.port, pid: redis.pid, exited: redis.exited }],
    hints: () =>
      Promise.resolve([["Kill it", `redis-cli -p ${String(redis.port)} shutdown nosave`]]),
    nodes: () => [{ port: redis.port, ask }],
    ownerOf: () => Promise.resolve(ask),
    sessions: (name, count) =>
      Promise.resolve(Array.from({ length: count }, (_, i) => `${name}-${String(i + 1)}`)),
    kill: () => redis.end("SIGKILL"),
    revive: () => redis.restart(),
    settled: () => Promise.resolve(),
    // It writes all that it has when it is told to end.
    changes: { planned: () => redis.restart() },
  };
}
