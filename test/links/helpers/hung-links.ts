import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@inthon/emitter";
import { WebSocket } from "ws";
import { startRedis } from "../../helpers/processes/redis-server.js";
import { startServer } from "../../helpers/processes/server-process.js";
import { type Direction, startTcpProxy, type Hang } from "../../helpers/tcp-proxy.js";

/** A link that hangs, by what it is called. */
export interface HungLink {
  readonly name: string;
  readonly hang: Hang;
  /** Whether connections that are made hang as well, for as long. */
  readonly newOnesHangMs?: number;
}

const WAYS: readonly (readonly [string, readonly Direction[]])[] = [
  ["to Redis", ["requests"]],
  ["from Redis", ["answers"]],
];

/** Each link of a replica, each way, and what else hangs in practice. */
export const HUNG_LINKS: readonly HungLink[] = [
  ...(["commands", "subscriptions"] as const).flatMap((link) =>
    WAYS.map(([way, directions]) => ({ name: `${link}, ${way}`, hang: { link, directions } })),
  ),
  { name: "both links, both ways", hang: {} },
  { name: "both links, and new ones in their handshake for 6 s", hang: {}, newOnesHangMs: 6_000 },
];

/** The ways in which an emitter's own link can hang. */
export const HUNG_EMITTERS: readonly HungLink[] = WAYS.map(([way, directions]) => ({
  name: `the emitter's own, ${way}`,
  hang: { directions },
}));

/** Times since the hang began, in milliseconds. */
export interface Times {
  /** Until `/readyz` said so; unknown for an emitter. */
  readonly noticedMs: number | undefined;
  /** Until everything worked again: joining a new room, publishing, hearing it, and being ready. */
  readonly serviceMs: number;
}

const PROBE_MS = 1_000;
const PAUSE_MS = 20;
const GIVE_UP_MS = 60_000;

/** Hangs a link of a replica that has its defaults, and waits until a newcomer is served again. */
export async function timeHungLink({ hang, newOnesHangMs }: HungLink): Promise<Times> {
  const redis = await startRedis();
  const proxy = await startTcpProxy(redis.port);
  const server = await startServer({ env: { REDIS_URL: proxy.url } });
  try {
    await until(() => isServed(server.url));
    const began = performance.now();
    if (newOnesHangMs !== undefined) {
      proxy.hangNew();
      setTimeout(() => {
        proxy.leadAgain();
      }, newOnesHangMs);
    }
    if (proxy.hang(hang) === 0) throw new Error("there is no such link");
    const noticed = until(async () => !(await fetch(`${server.url}/readyz`)).ok);
    await until(() => isServed(server.url));
    const serviceMs = performance.now() - began;
    return { noticedMs: (await noticed) - began, serviceMs };
  } finally {
    await server.stop();
    await proxy.stop();
    await redis.stop();
  }
}

/** Hangs the link of an emitter that has its defaults, and waits until it publishes again. */
export async function timeHungEmitter({ hang }: HungLink): Promise<Times> {
  const redis = await startRedis();
  const proxy = await startTcpProxy(redis.port);
  const emitter = await connect(proxy.url);
  try {
    const session = randomUUID();
    await emitter.emit(session, "hard_alert", { capture_url: null });
    const began = performance.now();
    if (proxy.hang(hang) === 0) throw new Error("there is no such link");
    await emitter.emit(session, "hard_alert", { capture_url: null }, { timeoutMs: GIVE_UP_MS });
    return { noticedMs: undefined, serviceMs: performance.now() - began };
  } finally {
    await emitter.close();
    await proxy.stop();
    await redis.stop();
  }
}

/** Whether a student of a session that nobody was in joins, and hears what is published over HTTP. */
export async function isServed(url: string): Promise<boolean> {
  if (!(await fetch(`${url}/readyz`)).ok) return false;
  const session = randomUUID();
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws/session/${session}/student/`);
  socket.on("error", () => undefined);
  const signal = AbortSignal.timeout(PROBE_MS);
  try {
    await once(socket, "message", { signal });
    const heard = once(socket, "message", { signal });
    heard.catch(() => undefined);
    const response = await fetch(`${url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ event: "hard_alert", capture_url: null }),
      signal,
    });
    if (!response.ok) return false;
    await heard;
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  } finally {
    socket.terminate();
  }
}

/** When the answer was yes for the first time. */
async function until(ask: () => Promise<boolean>): Promise<number> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  while (!(await ask())) {
    if (performance.now() > giveUpAt) throw new Error(`not so within ${GIVE_UP_MS} ms`);
    await delay(PAUSE_MS);
  }
  return performance.now();
}
