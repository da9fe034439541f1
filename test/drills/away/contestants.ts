import { fileURLToPath } from "node:url";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { connect } from "@inthon/emitter";
import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";
import type { AwayKind } from "./client.js";

const STOCK = fileURLToPath(new URL("stock-server.mjs", import.meta.url));

/** Where a replica is to be: its name for the balancer, and its port. */
export interface Slot {
  readonly nodeId: string;
  readonly port: number;
}

/** Tells a session its next event, by its number. */
export interface EventSource {
  publish(session: string, number: number): Promise<void>;
  close(): Promise<void>;
}

/** Who takes part in a drill, on a Redis of its own. */
export interface Contestant {
  readonly name: "ours" | "stock";
  readonly kinds: readonly AwayKind[];
  start(redisUrl: string, slot: Slot): Promise<ServerProcess>;
  /** @param url - where publishers over HTTP reach it */
  openSource(redisUrl: string, url: string): Promise<EventSource>;
}

/** All clients of a drill have one address. */
const ONE_ADDRESS = {
  MAX_CONNECTIONS_PER_ADDRESS: "0",
  NEW_CONNECTIONS_PER_S: "1000000",
  NEW_CONNECTIONS_BURST: "1000000",
};

/** @param env - settings of our server, besides its defaults */
export function contestants(env: Readonly<Record<string, string>> = {}): readonly Contestant[] {
  return [
    {
      name: "ours",
      kinds: ["websocket", "plain", "upgrade", "polling"],
      start: (REDIS_URL, { nodeId, port }) =>
        startServer({
          port,
          env: { ...ONE_ADDRESS, ...env, REDIS_URL, NODE_ID: nodeId, LOG_LEVEL: "info" },
        }),
      openSource: openOurSource,
    },
    {
      name: "stock",
      // Its long polling would need a balancer that keeps clients to replicas by address.
      kinds: ["stock"],
      start: (REDIS_URL, { port }) => startServer({ port, main: STOCK, env: { REDIS_URL } }),
      openSource: openStockSource,
    },
  ];
}

/** One half goes to Redis, the other over HTTP, as services of either kind would. */
async function openOurSource(redisUrl: string, url: string): Promise<EventSource> {
  const targets = [await connect(redisUrl), await connect(url)] as const;
  return {
    publish: async (session, number) => {
      const payload = { question_id: number, cleaned_text: "why?", capture_url: null };
      // As a service that does not give up: a repetition of the same call doubles nothing.
      const idempotencyKey = `${session}-${String(number)}`;
      const emitter = targets[number % 2 === 0 ? 0 : 1];
      await emitter.emit(session, "new_question", payload, { idempotencyKey, timeoutMs: 30_000 });
    },
    close: async () => {
      for (const emitter of targets) await emitter.close();
    },
  };
}

async function openStockSource(redisUrl: string): Promise<EventSource> {
  const client = createClient({ url: redisUrl });
  client.on("error", () => undefined);
  await client.connect();
  const emitter = new Emitter(client);
  return {
    publish: (session, number) => {
      const rooms = [`session_${session}_student`, `session_${session}_teacher`];
      emitter.to(rooms).emit("new_question", { question_id: number });
      return Promise.resolve();
    },
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}
