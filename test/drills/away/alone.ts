import { randomUUID } from "node:crypto";
import { freePort } from "../../helpers/processes/ports.js";
import { startRedis } from "../../helpers/processes/redis-server.js";
import type { Contestant, EventSource } from "./contestants.js";
import { Crowd } from "./crowd.js";

const TIMEOUT_MS = 120_000;

/** One replica, and all who are there. */
export interface Alone {
  readonly crowd: Crowd;
  readonly sessions: readonly string[];
  readonly source: EventSource;
  /** Kills the replica, and starts it again at once. */
  crash(): Promise<void>;
}

/** Runs something beside the only replica of a contestant, with so many clients of so many sessions. */
export async function withOnlyReplica<T>(
  contestant: Contestant,
  sizes: { readonly clients: number; readonly sessions: number; readonly pauseMs?: number },
  run: (alone: Alone) => Promise<T>,
): Promise<T> {
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const redis = await startRedis();
    closing.unshift(() => redis.stop());
    const slot = { nodeId: "replica-1", port: await freePort() };
    let server = await contestant.start(redis.url, slot);
    closing.unshift(async () => {
      server.kill("SIGKILL");
      await server.exited;
    });
    const sessions = Array.from({ length: sizes.sessions }, () => randomUUID());
    const crowd = new Crowd(
      Array.from({ length: sizes.clients }, (_, i) => ({
        url: server.url,
        session: sessions[i % sessions.length] ?? "",
        role: "student" as const,
        // The same clients for both, with the same pauses.
        kind: contestant.name === "ours" ? ("websocket" as const) : ("stock" as const),
        pauseMs: sizes.pauseMs,
      })),
    );
    closing.unshift(async () => {
      crowd.close();
    });
    await crowd.start(TIMEOUT_MS);
    const source = await contestant.openSource(redis.url, server.url);
    closing.unshift(() => source.close());
    const crash = async () => {
      server.kill("SIGKILL");
      await server.exited;
      server = await contestant.start(redis.url, slot);
    };
    return await run({ crowd, sessions, source, crash });
  } finally {
    for (const close of closing) await close();
  }
}
