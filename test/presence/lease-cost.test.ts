import { once } from "node:events";
import { createClient } from "redis";
import t from "tap";
import { WebSocket } from "ws";
import { startCluster } from "../helpers/processes/cluster.js";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { eventually } from "../helpers/eventually.js";

const TEACHERS = 2_000;
/** Of their sessions, those in which a student is as well. */
const STUDENTS = 500;
const RENEWALS = 8;
const JOINING_AT_ONCE = 200;
/** What the script sets the expiry of that keeps a room's history. */
const KEYS_OF_HISTORY = 7;

/**
 * It used to cost the same with any number of teachers, and trusted Redis to remember them. Now a node goes over what it
 * holds: it asks for each teacher two and a half times in a lease, and for each session of its students three things
 * once. That is all that grows, it grows with nothing else, and none of it is a write.
 */
void t.test(`a lease costs a few commands for what a node holds, and no more`, async (t) => {
  // Long enough that it is not lost while 2,500 come in: then all that is held would be claimed anew.
  const cluster = await startCluster({ replicas: 1, env: { LEASE_MS: "6000" } });
  t.teardown(() => cluster.stop());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const { url } = cluster.replica(0);

  const idle = await costOfRenewals(redis);
  const sockets: WebSocket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.terminate();
  });
  const base = url.replace("http", "ws");
  const enter = async (index: number) => {
    const [role, number] = index < TEACHERS ? ["teacher", index] : ["student", index - TEACHERS];
    const socket = new WebSocket(`${base}/ws/session/lecture-${String(number)}/${role}/`);
    await once(socket, "message");
    return socket;
  };
  const all = TEACHERS + STUDENTS;
  while (sockets.length < all) {
    const length = Math.min(JOINING_AT_ONCE, all - sockets.length);
    const batch = Array.from({ length }, (_, i) => enter(sockets.length + i));
    sockets.push(...(await Promise.all(batch)));
  }
  // The counts of the last ones are told a little later.
  await eventually(async () => {
    const [key = ""] = await redis.keys("inthon:node:*:connections");
    return (await redis.hLen(key)) === all;
  });
  const full = await costOfRenewals(redis);
  // The histories of rooms with members are kept for longer now and then: a script each, which is no cost of a lease.
  const kept = full.commands.get("pttl") ?? 0;

  const perRenewal = ({ commands }: Cost) =>
    ([...commands.values()].reduce((a, b) => a + b, 0) / RENEWALS).toFixed(1);
  t.comment(
    `commands for each renewal: ${perRenewal(idle)} with none, ${perRenewal(full)} with ${String(TEACHERS)} ` +
      `teachers and ${String(STUDENTS)} sessions with students`,
  );
  const bounds: Readonly<Record<string, number>> = {
    sismember: 2.5 * TEACHERS + STUDENTS,
    // In pieces: the list of what the node holds is looked at once.
    sscan: STUDENTS + Math.ceil(TEACHERS / 1_000) + 1,
    getrange: STUDENTS,
    // The set of each teacher's session is kept.
    pexpire:
      2.5 * TEACHERS + (idle.commands.get("pexpire") ?? 0) + 2 * RENEWALS + KEYS_OF_HISTORY * kept,
    evalsha: (idle.commands.get("evalsha") ?? 0) + 2 * RENEWALS + kept,
    // The first ones, until Redis knows the script.
    eval: (idle.commands.get("eval") ?? 0) + 2 * RENEWALS + kept,
    pttl: all,
  };
  // A renewal more or less may fall into the time it was watched.
  const margin = 1 + 2 / RENEWALS;
  for (const [command, calls] of full.commands) {
    const limit = (bounds[command] ?? (idle.commands.get(command) ?? 0) + 2 * RENEWALS) * margin;
    t.ok(calls <= limit, `${command}: ${String(calls)} calls, at most ${String(limit)}`);
  }
  // The expiry of its list of teachers and of its counts, however long these are, and of the sets that they are in.
  const kinds = idle.writes + 2 * RENEWALS + 2.5 * TEACHERS + KEYS_OF_HISTORY * kept;
  const writes = kinds * margin;
  t.ok(full.writes <= writes, `${String(full.writes)} writes, at most ${String(writes)}`);
});

interface Cost {
  readonly commands: Map<string, number>;
  /** Changes that would go to a file or a replica. */
  readonly writes: number;
}

type Redis = Parameters<typeof commandCounts>[0];

/** What a replica asks of Redis while nobody comes or goes, during some renewals. */
async function costOfRenewals(redis: Redis): Promise<Cost> {
  const writesBefore = await writeCount(redis);
  const before = await commandCounts(redis);
  let commands = new Map<string, number>();
  await eventually(async () => {
    commands = commandsBetween(before, await commandCounts(redis));
    return (commands.get("zadd") ?? 0) >= RENEWALS;
  });
  const writes = (await writeCount(redis)) - writesBefore;
  commands.delete("info");
  return { commands, writes };
}

async function writeCount(redis: Redis): Promise<number> {
  const info = await redis.info("persistence");
  return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)?.[1]);
}
