import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseSessionId } from "@inthon/emitter/protocol";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import { startClient, type ChaosClient } from "./world/clients.js";
import { Faults } from "./faults.js";
import { Findings } from "./judge/findings.js";
import { readHistories } from "./judge/history.js";
import type { Target } from "./world/line.js";
import type { ChaosOptions } from "./options.js";
import { makePlan, type Plan } from "./plan.js";
import { Publishers } from "./world/publishers.js";
import { randomFrom } from "./random.js";
import { makeReport, type Report } from "./report.js";
import { Track } from "./judge/track.js";
import { Truth } from "./judge/truth.js";

/** How long a client may take to the last event after all faults: noticing a dead connection alone takes 20 s. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 50;
const EMITTERS = 4;
const PROGRESS_MS = 5_000;
const SWALLOWED = 0.01;
/** What comes a second time comes soon. */
const AFTERMATH_MS = 1_000;
/** Clients that are there from the beginning join one after the other, within this time. */
const JOIN_MS = 2_000;

/** A run of clients, publishers and faults on a cluster of its own, judged. */
export async function runChaos(options: ChaosOptions): Promise<Report> {
  const plan = makePlan(options);
  const redisDir = await mkdtemp(join(tmpdir(), "inthon-chaos-"));
  const logs: string[] = [];
  const historyLimit = historyLimitFor(options);
  let cluster: Cluster | undefined;
  try {
    cluster = await startCluster({
      replicas: 3,
      redis: { appendOnly: true, dir: redisDir, args: ["--appendfsync", "always"] },
      env: { HISTORY_LIMIT: String(historyLimit) },
      ...(options.main !== undefined && { main: options.main }),
      onLine: (node, line) => {
        logs.push(`${node} ${line}`);
        if (logs.length > 20_000) logs.shift();
      },
    });
    return await runOn(cluster, { options, plan, redisDir, logs, historyLimit });
  } finally {
    await cluster?.stop();
    await rm(redisDir, { recursive: true, force: true });
  }
}

interface Setting {
  readonly options: ChaosOptions;
  readonly plan: Plan;
  readonly redisDir: string;
  readonly logs: string[];
  readonly historyLimit: number;
}

async function runOn(cluster: Cluster, setting: Setting): Promise<Report> {
  const { options, plan, redisDir, historyLimit } = setting;
  const truth = new Truth(new Findings());
  const targets = cluster.replicas.map(({ nodeId, port }): Target => ({ name: nodeId, port }));
  const random = randomFrom(options.seed + 1);
  const choose = () => random.pick(targets);
  const sessions = Array.from({ length: options.sessions }, (_, i) => `chaos-${i + 1}`);
  const clients = new Map<number, ChaosClient>();
  const faults = new Faults({ cluster, redisDir, truth, clients });
  const publishers = await Publishers.start({
    redisUrls: Array.from({ length: EMITTERS }, () => cluster.redisUrl),
    swallowingUrl: cluster.redisUrl,
    historyLimit,
    sessions,
    rate: options.rate,
    random,
    truth,
    // What Pub/Sub swallows is found in history, unless that is lost next: then nobody could know of it.
    swallowed: options.forget ? 0 : SWALLOWED,
    choose,
  });
  const progress = setInterval(() => {
    const connected = [...clients.values()].filter(({ track }) => track.isConnected).length;
    const { accepted, pending } = publishers;
    options.onProgress?.(
      `${truth.clock()}  ${connected} of ${clients.size} clients connected, ` +
        `${accepted} events accepted, ${pending} calls pending`,
    );
  }, PROGRESS_MS);
  try {
    const joined = joinAll(plan, sessions, truth, choose, clients);
    await faults.run(plan.faults, options.seconds * 1_000);
    await joined;
    await publishers.stop();
    await publishers.finish();
    const tracks = [...clients.values()].map(({ track }) => track);
    await settle(tracks);
    await readHistories(cluster.redisUrl, truth, { kind: "look" });
    for (const track of tracks) track.finish(track.room.order());
    return makeReport({ ...setting, truth, tracks, faults, publishers });
  } finally {
    clearInterval(progress);
    faults.close();
    await Promise.all([...clients.values()].map((client) => client.close()));
    await publishers.close();
  }
}

/** Enough that history serves whoever comes back, however late: then each `recovered === false` is a fault. */
function historyLimitFor({ seconds, rate, sessions }: ChaosOptions): number {
  return Math.max(1_000, Math.ceil((4 * (seconds + 60) * rate) / sessions));
}

async function joinAll(
  plan: Plan,
  sessions: readonly string[],
  truth: Truth,
  choose: () => Target,
  clients: Map<number, ChaosClient>,
): Promise<void> {
  const inOrder = plan.clients
    .map((client) => ({
      ...client,
      at: client.joinAtMs || (client.index / plan.clients.length) * JOIN_MS,
    }))
    .sort((a, b) => a.at - b.at);
  for (const { index, kind, role, session: number, at } of inOrder) {
    await delay(Math.max(0, truth.startedAt + at - Date.now()));
    const session = parseSessionId(sessions[number]);
    if (!session) throw new Error(`there is no session ${number}`);
    const track = new Track(`client ${index} (${kind})`, truth.room(session, role), truth);
    clients.set(index, await startClient({ kind, session, role, track, choose }));
  }
}

async function settle(tracks: readonly Track[]): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  while (!tracks.every(({ isDone }) => isDone) && Date.now() < giveUpAt) await delay(LOOK_EVERY_MS);
  await delay(AFTERMATH_MS);
}
