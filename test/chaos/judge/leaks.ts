import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Replica } from "../world/replicas.js";
import type { Findings } from "./findings.js";
import { withRedis } from "./history.js";

/** Longer than a connection that nobody ends is believed to live, and a room is kept for who may come back. */
const PATIENCE_MS = 45_000;
const LOOK_EVERY_MS = 250;
const LISTENING = "0A";
const NO_EXPIRY = -1;

/** Looks, once every client has gone, for what is still held; what is left after a while is leaked. */
export async function judgeLeaks(
  redisUrl: string,
  replicas: readonly Replica[],
  findings: Findings,
): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  let leaks = await look(redisUrl, replicas);
  while (leaks.size > 0 && Date.now() < giveUpAt) {
    await delay(LOOK_EVERY_MS);
    leaks = await look(redisUrl, replicas);
  }
  for (const [whose, what] of leaks) {
    const some = what.length > 5 ? `${what.slice(0, 5).join(", ")} ...` : what.join(", ");
    findings.add("leaked", what.length, whose, `${what.length}: ${some}`);
  }
}

/** What is held, by its kind. */
async function look(
  redisUrl: string,
  replicas: readonly Replica[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const leaks = new Map<string, readonly string[]>();
  const add = (kind: string, what: readonly string[]) => what.length > 0 && leaks.set(kind, what);
  await withRedis(redisUrl, async (client) => {
    add("rooms subscribed to", await client.pubSubChannels("socket.io#/#session_*"));
    const claims: string[] = [];
    const immortal: string[] = [];
    for await (const keys of client.scanIterator({ COUNT: 1_000 })) {
      for (const key of keys) {
        if (/^session:.*:teachers$/.test(key)) claims.push(key);
        else if ((await client.pTTL(key)) === NO_EXPIRY) immortal.push(key);
      }
    }
    add("claims of teachers", claims);
    add("keys without an expiry", immortal);
  });
  for (const { server, gate } of replicas) {
    const open = connectionsOf(server.pid);
    const spare = open.length - gate.connections;
    if (spare > 0) add(`descriptors of ${server.nodeId}`, open.slice(-spare));
  }
  return leaks;
}

/** The TCP connections of a process, whatever their state. Linux tells. */
function connectionsOf(pid: number): string[] {
  const tables = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n").slice(1),
  );
  const connections = new Set(
    tables.flatMap((line) => {
      const { 3: state, 9: inode = "" } = line.trim().split(/\s+/);
      return state === LISTENING ? [] : [`socket:[${inode}]`];
    }),
  );
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    .filter((link) => connections.has(link));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed just now.
    return "";
  }
}
