import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Emitter } from "@inthon/emitter";
import { historyKey, parseSessionId, ROLES, roomName } from "@inthon/emitter/protocol";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import { startClient } from "./world/clients.js";
import { Findings } from "./judge/findings.js";
import { withRedis } from "./judge/history.js";
import { Track } from "./judge/track.js";
import { Truth } from "./judge/truth.js";

const SESSION = "bounded";
const ROWS = 10;
const BATCH = 50;
/** What a heap that has found its size may still sway by. */
const RSS_SLACK = 1.25;
const REDIS_SLACK = 1.1;
const MB = 1_024 * 1_024;

interface Sample {
  readonly events: number;
  readonly redisBytes: number;
  readonly historyBytes: number;
  /** Nearly all are idempotency keys: one for each event and room, for as long as its call may be repeated. */
  readonly keys: number;
  readonly rssBytes: readonly number[];
}

/**
 * Publishes very many events in one session with a member of each role on each replica, and prints what Redis and the
 * replicas hold meanwhile.
 *
 * @param options - `rate` is the events in a second at most
 * @returns whether Redis and the replicas needed no more in the second half than before
 */
export async function runBounded(
  { events, rate }: { readonly events: number; readonly rate: number },
  print: (line: string) => void,
): Promise<boolean> {
  const cluster = await startCluster({ replicas: 3 });
  const emitter = await connect(cluster.redisUrl);
  const truth = new Truth(new Findings());
  const clients = await joinAll(cluster, truth);
  try {
    print(
      `${events} events in one session, at most ${rate}/s, a member of each role on each replica`,
    );
    print(
      row([
        "events",
        "Redis MB",
        "histories MB",
        "keys",
        ...cluster.replicas.map(({ nodeId }) => `${nodeId} MB`),
      ]),
    );
    const samples: Sample[] = [];
    for (let i = 0; i <= ROWS; i++) {
      const target = Math.round((events * i) / ROWS);
      await publish(emitter, samples.at(-1)?.events ?? 0, target, rate);
      const sample = await measure(cluster, target);
      samples.push(sample);
      print(format(sample));
    }
    return judge(samples, print);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await emitter.close();
    await cluster.stop();
  }
}

async function joinAll(cluster: Cluster, truth: Truth) {
  const places = cluster.replicas.flatMap(({ nodeId, port }) =>
    ROLES.map((role) => ({ role, target: { name: nodeId, port } })),
  );
  return Promise.all(
    places.map(async ({ role, target }) => {
      const track = new Track(`${role} on ${target.name}`, truth.room(SESSION, role), truth);
      const choose = () => target;
      return startClient({ kind: "websocket", session: SESSION, role, track, choose });
    }),
  );
}

async function publish(emitter: Emitter, from: number, to: number, rate: number): Promise<void> {
  const startedAt = Date.now();
  for (let id = from; id < to; id += BATCH) {
    const events = Array.from({ length: Math.min(BATCH, to - id) }, (_, i) => ({
      event: "question_like_update" as const,
      question_id: id + i,
      like_count: 1,
    }));
    await emitter.emitAll(SESSION, events, { timeoutMs: 30_000 });
    await delay(Math.max(0, startedAt + ((id - from) * 1_000) / rate - Date.now()));
  }
}

async function measure(cluster: Cluster, events: number): Promise<Sample> {
  const id = parseSessionId(SESSION);
  if (!id) throw new Error(`${SESSION} is not a session`);
  return withRedis(cluster.redisUrl, async (client) => {
    const memory = await client.info("memory");
    const histories = await Promise.all(
      ROLES.map((role) => client.memoryUsage(historyKey(roomName(id, role)), { SAMPLES: 0 })),
    );
    return {
      events,
      redisBytes: Number(/used_memory:(\d+)/.exec(memory)?.[1] ?? 0),
      historyBytes: histories.reduce<number>((total, bytes) => total + (bytes ?? 0), 0),
      keys: await client.dbSize(),
      rssBytes: cluster.replicas.map(({ pid }) => residentBytes(pid)),
    };
  });
}

/** Linux only, as the tools of these tests are. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024;
}

function judge(samples: readonly Sample[], print: (line: string) => void): boolean {
  // By then histories are full, the first idempotency keys have expired, and processes have warmed up.
  const settled = samples[Math.ceil(ROWS / 2)];
  const last = samples.at(-1);
  if (!settled || !last) return false;
  const redis = last.redisBytes / settled.redisBytes;
  const rss = last.rssBytes.map((bytes, i) => bytes / (settled.rssBytes[i] ?? 1));
  const isFlat = redis <= REDIS_SLACK && rss.every((ratio) => ratio <= RSS_SLACK);
  print(
    `From half to the end: Redis x ${redis.toFixed(2)}, ` +
      `replicas x ${rss.map((ratio) => ratio.toFixed(2)).join(", ")}: ${isFlat ? "flat" : "NOT FLAT"}`,
  );
  return isFlat;
}

function format({ events, redisBytes, historyBytes, keys, rssBytes }: Sample): string {
  const mb = (bytes: number) => (bytes / MB).toFixed(1);
  return row([
    events.toLocaleString("en"),
    mb(redisBytes),
    mb(historyBytes),
    keys.toLocaleString("en"),
    ...rssBytes.map(mb),
  ]);
}

function row(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(13)).join("");
}
