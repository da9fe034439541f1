import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Crowd } from "./crowd.js";
import type { EventSource } from "./contestants.js";

const PAUSE_MS = 25;
const TIMEOUT_MS = 10_000;

/** What came of requests on connections that are kept. */
export interface Asked {
  readonly asked: number;
  readonly failed: number;
}

/** Asks over HTTP on connections that are kept, each again and again, until that is over. */
export async function keepAsking(
  url: string,
  connections: number,
  signal: AbortSignal,
): Promise<Asked> {
  let asked = 0;
  let failed = 0;
  const agents = Array.from({ length: connections }, () => {
    return new Agent({ keepAlive: true, maxSockets: 1 });
  });
  await Promise.all(
    agents.map(async (agent) => {
      while (!signal.aborted) {
        asked++;
        if (!(await isAnswered(agent, `${url}/healthz`))) failed++;
        await delay(PAUSE_MS);
      }
      agent.destroy();
    }),
  );
  return { asked, failed };
}

async function isAnswered(agent: Agent, url: string): Promise<boolean> {
  const sent = request(url, { agent, timeout: TIMEOUT_MS }).end();
  sent.on("timeout", () => sent.destroy(new Error("timeout")));
  try {
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    return response.statusCode === 200;
  } catch {
    return false;
  }
}

/** Publishes to all sessions in turn until that is over, and then once more to each, so that all can know that they have all. */
export async function keepPublishing(
  crowd: Crowd,
  source: EventSource,
  { sessions, perS }: { sessions: readonly string[]; perS: number },
  signal: AbortSignal,
): Promise<void> {
  const publish = async (session: string) => {
    const number = (crowd.published.get(session) ?? 0) + 1;
    crowd.published.set(session, number);
    await source.publish(session, number);
  };
  const underWay = new Map<string, Promise<void>>();
  for (let i = 0; !signal.aborted; i++) {
    const session = sessions[i % sessions.length] ?? "";
    // One after the other in each session, as the numbers say in which order they were published.
    underWay.set(
      session,
      (underWay.get(session) ?? Promise.resolve()).then(() => publish(session)),
    );
    await delay(1_000 / perS);
  }
  await Promise.all(underWay.values());
}
