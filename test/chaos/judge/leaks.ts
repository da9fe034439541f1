import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Ask } from "../../helpers/topologies/topology.js";
import { withNodes, type World } from "../world/world.js";
import type { Findings } from "./findings.js";

/** Longer than a connection that nobody ends is believed to live, and a room is kept for who may come back. */
const PATIENCE_MS = 45_000;
const LOOK_EVERY_MS = 250;
const LISTENING = "0A";
const NO_EXPIRY = -1;

/** Looks, once every client has gone, for what is still held; what is left after a while is leaked. */
export async function judgeLeaks(world: World, findings: Findings): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  let leaks = await look(world);
  while (leaks.size > 0 && Date.now() < giveUpAt) {
    await delay(LOOK_EVERY_MS);
    leaks = await look(world);
  }
  for (const [whose, what] of leaks) {
    const some = what.length > 5 ? `${what.slice(0, 5).join(", ")} ...` : what.join(", ");
    findings.add("leaked", what.length, whose, `${what.length}: ${some}`);
  }
}

/** What is held, by its kind. */
async function look({ redis, replicas }: World): Promise<ReadonlyMap<string, readonly string[]>> {
  const leaks = new Map<string, readonly string[]>();
  const add = (kind: string, what: readonly string[]) => what.length > 0 && leaks.set(kind, what);
  await withNodes(redis, async (nodes) => {
    const channels: string[] = [];
    const claims: string[] = [];
    const immortal: string[] = [];
    for (const ask of nodes) {
      for (const kind of ["CHANNELS", "SHARDCHANNELS"]) {
        channels.push(...((await ask("PUBSUB", kind, "socket.io#/#session_*")) as string[]));
      }
      const [role] = (await ask("ROLE")) as string[];
      if (role !== "master") continue;
      for await (const key of keysOf(ask)) {
        if (/^session:.*:teachers$/.test(key)) claims.push(key);
        else if ((await ask("PTTL", key)) === NO_EXPIRY) immortal.push(key);
      }
    }
    add("rooms subscribed to", channels);
    add("claims of teachers", claims);
    add("keys without an expiry", immortal);
  });
  for (const [i, { server }] of replicas.entries()) {
    const all = connectionsOf(server.pid);
    // Those to Redis are there for good.
    const open = redis.kind === "house" ? all : all.filter(({ port }) => port === server.port);
    const held = redis.kind === "house" ? (redis.replicaGates[i]?.connections ?? 0) : 0;
    const spare = open.slice(held).map(({ link }) => link);
    add(`descriptors of ${server.nodeId}`, spare);
  }
  return leaks;
}

async function* keysOf(ask: Ask): AsyncGenerator<string> {
  let cursor = "0";
  do {
    const [next, keys] = (await ask("SCAN", cursor, "COUNT", "1000")) as [string, string[]];
    yield* keys;
    cursor = next;
  } while (cursor !== "0");
}

/** The TCP connections of a process, whatever their state, with its own port of each. Linux tells. */
function connectionsOf(pid: number): readonly { readonly link: string; readonly port: number }[] {
  const tables = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n").slice(1),
  );
  const ports = new Map(
    tables.flatMap((line): [string, number][] => {
      const { 1: local = "", 3: state, 9: inode = "" } = line.trim().split(/\s+/);
      const port = Number.parseInt(local.split(":")[1] ?? "", 16);
      return state === LISTENING ? [] : [[`socket:[${inode}]`, port]];
    }),
  );
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    .flatMap((link) => {
      const port = ports.get(link);
      return port === undefined ? [] : [{ link, port }];
    });
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed just now.
    return "";
  }
}
