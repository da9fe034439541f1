import { setTimeout as delay } from "node:timers/promises";
import { parseSessionId, ROLES } from "@inthon/emitter/protocol";
import { Faults } from "./faults/faults.js";
import { Findings } from "./judge/findings.js";
import { judgeLeaks } from "./judge/leaks.js";
import { Track } from "./judge/track.js";
import { Truth } from "./judge/truth.js";
import type { ChaosOptions } from "./options.js";
import { EMITTERS, makePlan, REPLICAS, type Plan } from "./plan.js";
import { Processes } from "./faults/processes.js";
import { randomFrom } from "./random.js";
import { makeReport, type Report } from "./report.js";
import { startClient, type ChaosClient } from "./world/clients.js";
import type { Target } from "./world/line.js";
import { Publishers } from "./world/publishers.js";
import { targetOf } from "./world/replicas.js";
import { lookAt, startWorld, type World } from "./world/world.js";

/** How long a client may take to the last event after all faults: noticing a dead connection alone takes 20 s. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 50;
const MAX_LOG_LINES = 20_000;
const PROGRESS_MS = 5_000;
const SWALLOWED = 0.01;
/** What comes a second time comes soon. */
const AFTERMATH_MS = 1_000;
/** Clients that are there from the beginning join one after the other, within this time. */
const JOIN_MS = 2_000;

/** A run of clients, publishers and faults on a cluster of its own, judged. */
export async function runChaos(options: ChaosOptions): Promise<Report> {
  const logs: string[] = [];
  const historyLimit = historyLimitFor(options);
  const world = await startWorld({
    redis: options.redis ?? "standalone",
    replicas: REPLICAS,
    emitters: EMITTERS,
    historyLimit,
    ...(options.main !== undefined && { main: options.main }),
    ...(options.env && { env: options.env }),
    onLine: (node, line) => {
      logs.push(`${node} ${line}`);
      if (logs.length > MAX_LOG_LINES) logs.shift();
    },
  });
  try {
    return await runOn(world, { options, plan: makePlan(options), logs, historyLimit });
  } finally {
    await world.stop();
  }
}

interface Setting {
  readonly options: ChaosOptions;
  readonly plan: Plan;
  readonly logs: string[];
  readonly historyLimit: number;
}

async function runOn(world: World, setting: Setting): Promise<Report> {
  const { options, plan } = setting;
  const truth = new Truth(new Findings());
  const processes = new Processes(truth.findings);
  const sessions = Array.from({ length: options.sessions }, (_, i) => `chaos-${i + 1}`);
  for (const session of sessions) for (const role of ROLES) truth.room(session, role);
  const random = randomFrom(options.seed + 1);
  const targets = world.replicas.map(targetOf);
  const choose = () => random.pick(targets);
  const clients = new Map<number, ChaosClient>();
  const faults = new Faults({ world, truth, processes, clients, seed: options.seed });
  const publishers = await startPublishers(world, setting, truth, sessions);
  const progress = setInterval(() => {
    const connected = [...clients.values()].filter(({ track }) => track.isConnected).length;
    const { accepted, pending } = publishers;
    options.onProgress?.(
      `${truth.clock()}  ${connected} of ${clients.size} clients connected, ` +
        `${accepted} events accepted, ${pending} calls pending`,
    );
  }, PROGRESS_MS);
  let hasLeft = false;
  const leave = async () => {
    if (hasLeft) return;
    hasLeft = true;
    clearInterval(progress);
    await Promise.all([...clients.values()].map((client) => client.close()));
    await publishers.close();
  };
  try {
    const joined = joinAll(plan, sessions, truth, choose, clients);
    await faults.run(plan.faults, options.seconds * 1_000);
    await joined;
    await publishers.stop();
    await publishers.finish();
    const tracks = [...clients.values()].map(({ track }) => track);
    await settle(tracks);
    await lookAt(world.redis, truth);
    judge(truth, tracks);
    await leave();
    await judgeLeaks(world, truth.findings);
    await endInOrder(world, processes);
    return makeReport({ ...setting, truth, tracks, faults, publishers });
  } finally {
    processes.release();
    await leave();
  }
}

async function startPublishers(
  world: World,
  { options, historyLimit }: Setting,
  truth: Truth,
  sessions: readonly string[],
): Promise<Publishers> {
  const random = randomFrom(options.seed + 2);
  const targets = world.replicas.map(targetOf);
  const { redis } = world;
  return Publishers.start({
    redisUrls: world.emitterUrls,
    ...(redis.kind === "house" && { swallowingUrl: redis.swallowingGate.url }),
    historyLimit,
    sessions,
    rate: options.rate,
    random,
    truth,
    // What Pub/Sub swallows is found in history, unless that is flushed next: then nobody could know of it.
    swallowed: options.forget || redis.kind !== "house" ? 0 : SWALLOWED,
    choose: () => random.pick(targets),
  });
}

function judge(truth: Truth, tracks: readonly Track[]): void {
  const orders = new Map(truth.rooms.map((room) => [room, room.order()]));
  const gone = truth.rooms.reduce((total, room) => total + room.gone(room.order()), 0);
  if (gone > 0 && truth.losses.length === 0) {
    truth.findings.add("lost", gone, "Redis", "what was confirmed is gone, and nothing was killed");
  }
  for (const track of tracks) {
    const order = orders.get(track.room);
    if (order) track.finish(order);
  }
}

/** As Kubernetes ends them: none may lose its temper over it. */
async function endInOrder({ replicas }: World, processes: Processes): Promise<void> {
  const ends = replicas.map(async ({ server }) => {
    processes.doom(server);
    processes.judgeEnd(server.nodeId, server, await server.stop());
  });
  await Promise.all(ends);
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
