import { createClient } from "redis";
import type { Test } from "tap";
import { startInProcess, type AppInProcess } from "../../helpers/processes/app-in-process.js";
import { startRedis } from "../../helpers/processes/redis-server.js";

/** A replica in this process, and what a session has left in it and in its Redis. */
export interface WatchedApp extends AppInProcess {
  /** Rooms, sockets, keys and subscriptions that name the session. */
  tracesOf(session: string): Promise<string[]>;
}

/** Where replicas meet. */
export const STORES = ["memory", "Redis"] as const;

export async function startWatched(
  t: Test,
  store: (typeof STORES)[number],
  env: Readonly<Record<string, string>>,
): Promise<WatchedApp> {
  if (store === "memory") {
    const app = await startInProcess(t, env);
    return { ...app, tracesOf: (session) => Promise.resolve(inside(app, session)) };
  }
  const redis = await startRedis();
  const commands = await createClient({ url: redis.url }).connect();
  t.teardown(async () => {
    commands.destroy();
    await redis.stop();
  });
  const app = await startInProcess(t, { ...env, REDIS_URL: redis.url });
  return {
    ...app,
    tracesOf: async (session) => [
      ...inside(app, session),
      ...(await commands.keys(`*${session}*`)),
      ...(await commands.pubSubChannels(`*${session}*`)),
    ],
  };
}

function inside({ io }: AppInProcess, session: string): string[] {
  const { adapter, sockets } = io.of("/");
  const rooms = [...adapter.rooms.keys()].filter((room) => room.includes(session));
  return [...rooms, ...[...sockets.keys()].map((id) => `socket ${id}`)];
}
