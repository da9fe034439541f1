import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "redis";
import { WebSocket } from "ws";
import { NAMESPACE_CHANNEL } from "@inthon/emitter/protocol";
import { join, type Client } from "../../helpers/clients/clients.js";
import { post } from "../../helpers/processes/environments.js";
import { LIMITS, type World } from "./world.js";

/** What goes wrong, and what is to be told of it. */
export interface Fault {
  readonly name: string;
  readonly alerts: readonly string[];
  /** Does it, again and again if need be, until that is over, and mends it then. */
  readonly happen: (world: World, over: AbortSignal) => Promise<void>;
}

const HARD = { event: "hard_alert", capture_url: null } as const;
const PAUSE_MS = 100;
/** By default. */
const LEASE_MS = 10_000;

/** Together in a group those that do not hide each other. */
export const FAULTS: readonly (readonly Fault[])[] = [
  [
    {
      name: "a class is too many for a replica",
      alerts: ["InthonReplicaFull", "InthonConnectionsRefused"],
      happen: async ({ replicas: [{ server }] }, over) => {
        const comers = Array.from({ length: 2 * LIMITS.MAX_CONNECTIONS }, () =>
          studentOf(server.url, randomUUID()),
        );
        await ended(over);
        for (const comer of comers) comer.terminate();
      },
    },
    {
      name: "strangers ask for what is not there",
      alerts: ["InthonManyRefused"],
      happen: ({ replicas: [, { server }] }, over) =>
        again(over, async () => {
          await fetch(`${server.url}/nowhere`).then((answer) => answer.text());
        }),
    },
    {
      name: "something else publishes on our channels",
      alerts: ["InthonStrangerOnRedis"],
      happen: async ({ redis, sessions: [session = ""] }) => {
        const client = createClient({ url: redis.url });
        client.on("error", () => undefined);
        await client.connect();
        await client.publish(`${NAMESPACE_CHANNEL}session_${session}_student#`, "nothing of ours");
        client.destroy();
      },
    },
    {
      name: "a class does not read",
      alerts: ["InthonSlowReaders"],
      happen: async ({ replicas: [, , { server }], emitter }, over) => {
        const session = randomUUID();
        const readers = Array.from({ length: 30 }, () => studentOf(server.url, session));
        await Promise.all(readers.map((reader) => once(reader, "message")));
        for (const reader of readers) reader.pause();
        await again(over, async () => {
          const note = "n".repeat(60_000);
          const events = Array.from({ length: 16 }, () => {
            return { event: "important", note, capture_url: null } as const;
          });
          await emitter.emitAll(session, events);
        });
        for (const reader of readers) reader.terminate();
      },
    },
    {
      name: "the way of clients hangs",
      alerts: ["InthonCanaryMissesBeats"],
      happen: async ({ replicas: [, { frontDoor }] }, over) => {
        frontDoor.hang();
        frontDoor.hangNew();
        await ended(over);
        frontDoor.heal();
      },
    },
  ],
  [
    {
      name: "Redis is far away, and links to it break",
      alerts: ["InthonRedisSlow", "InthonEventsLate", "InthonRedisLinksBreak"],
      happen: async ({ replicas }, over) => {
        for (const { toRedis } of replicas) toRedis.latencyMs = 1_200;
        for (let times = 0; times < 3; times++) {
          for (const { toRedis } of replicas) toRedis.cut();
          await delay(8_000, undefined, { signal: over }).catch(() => undefined);
        }
        await ended(over);
        for (const { toRedis } of replicas) {
          toRedis.latencyMs = 0;
          toRedis.cut();
        }
      },
    },
  ],
  [
    {
      name: "one replica hears nothing from Redis for longer than history reaches back",
      alerts: ["InthonEventsLost"],
      happen: async ({ url, replicas: [{ server, toRedis }], emitter }, over) => {
        const session = randomUUID();
        const student = await join({ url: server.url, session, role: "student", kind: "plain" });
        toRedis.hang({ link: "subscriptions", directions: ["answers"] });
        for (let i = 0; i < 2 * LIMITS.HISTORY_LIMIT; i++) {
          await emitter.emit(session, "hard_alert", { capture_url: null });
        }
        // Who comes elsewhere keeps the session's history.
        const other = await join({ url, session, role: "student", kind: "websocket" });
        await ended(over);
        await Promise.all([student.close(), other.close()]);
      },
    },
    {
      name: "a replica has no processor",
      alerts: ["InthonEventLoopLate"],
      happen: async ({ replicas: [, { server }] }, over) => {
        await again(over, async () => {
          server.pause();
          await delay(500);
          server.resume();
          await delay(300);
        });
      },
    },
  ],
  [
    {
      name: "Redis hangs",
      alerts: ["InthonRedisAway", "InthonPublishingFails", "InthonJoinsFail"],
      happen: async ({ replicas, sessions: [session = ""] }, over) => {
        const { url } = replicas[0].server;
        hangRedis(replicas);
        const comers: Promise<Client | undefined>[] = [];
        await Promise.all([
          again(over, async () => {
            await post(url, session, HARD).then((answer) => answer.text());
          }),
          again(over, async () => {
            const comer = { url, session: randomUUID(), role: "student", kind: "plain" } as const;
            comers.push(join(comer).catch(() => undefined));
            await delay(1_000);
          }),
        ]);
        for (const { toRedis } of replicas) toRedis.heal();
        for (const comer of await Promise.all(comers)) await comer?.close();
      },
    },
  ],
  [
    {
      name: "Redis hangs for longer than a lease",
      alerts: ["InthonLeaseLost"],
      happen: async ({ replicas }, over) => {
        hangRedis(replicas);
        await delay(1.5 * LEASE_MS);
        for (const { toRedis } of replicas) toRedis.heal();
        await ended(over);
      },
    },
  ],
  [
    {
      name: "a replica dies, and comes back",
      alerts: ["InthonReplicaDied", "InthonReplicaNotScraped"],
      happen: async ({ replicas: [{ server }] }, over) => {
        server.kill("SIGKILL");
        await server.exited;
        await ended(over);
        await server.restart();
      },
    },
    {
      name: "another one is started again and again",
      alerts: ["InthonReplicaRestarts"],
      happen: async ({ replicas: [, { server }] }, over) => {
        for (let times = 0; times < 5 && !over.aborted; times++) {
          server.kill("SIGKILL");
          await server.exited;
          await server.restart();
          // It is to be seen each time.
          await delay(3_000);
        }
        await ended(over);
      },
    },
  ],
  [
    {
      name: "nobody can be scraped",
      alerts: ["InthonNobodyAnswers"],
      happen: async ({ replicas }, over) => {
        for (const { server } of replicas) server.pause();
        await ended(over);
        for (const { server } of replicas) server.resume();
      },
    },
  ],
];

/**
 * Alerts that no drill of minutes provokes, or of one Redis alone: `test/kubernetes/alerts.test.ts` has all of them fire, by
 * figures.
 */
export const BY_FIGURES_ALONE: readonly string[] = [
  "InthonMemoryShort",
  "InthonVersionsMixed",
  "InthonSentinelsAway",
  "InthonSlotsRefused",
  "InthonTooFewReplicas",
];

/** Does something until that is over, with a pause each time. What fails is what is to be noticed. */
async function again(over: AbortSignal, what: () => Promise<void>): Promise<void> {
  while (!over.aborted) {
    await what().catch(() => undefined);
    await delay(PAUSE_MS);
  }
}

async function ended(over: AbortSignal): Promise<void> {
  if (!over.aborted) await once(over, "abort");
}

function hangRedis(replicas: World["replicas"]): void {
  for (const { toRedis } of replicas) {
    toRedis.hang();
    toRedis.hangNew();
  }
}

/** A plain client that may be turned away. */
function studentOf(url: string, session: string): WebSocket {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws/session/${session}/student/`);
  socket.on("error", () => undefined);
  return socket;
}
