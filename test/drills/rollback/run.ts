import { setTimeout as delay } from "node:timers/promises";
import { ROLES } from "@inthon/emitter/protocol";
import { CLIENT_KINDS } from "../../helpers/clients/clients.js";
import { Findings } from "../../chaos/judge/findings.js";
import { readHistories } from "../../chaos/judge/history.js";
import { Track } from "../../chaos/judge/track.js";
import { Truth } from "../../chaos/judge/truth.js";
import { randomFrom, type Random } from "../../chaos/random.js";
import { startClient, type ChaosClient } from "../../chaos/world/clients.js";
import { Gate } from "../../chaos/world/gate.js";
import { Publishers } from "../../chaos/world/publishers.js";
import { RedisHouse, type Persistence } from "../../chaos/world/redis-house.js";
import { startReplicas, stopReplicas, targetOf, type Replica } from "../../chaos/world/replicas.js";
import type { RollbackKind, RollbackOptions } from "./options.js";
import { Race } from "./race.js";
import { makeReport, type RollbackReport } from "./report.js";

const SESSIONS = ["rollback-1", "rollback-2"];
const REPLICAS = 2;
const EMITTERS = 2;
const TEACHER_SHARE = 0.25;
/** Nothing is trimmed: what is gone was lost. */
const HISTORY_LIMIT = 1_000_000;
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 10;
/** What comes a second time comes soon. */
const AFTERMATH_MS = 500;

const PERSISTENCE: Record<RollbackKind, readonly Persistence[]> = {
  rdb: ["nothing"],
  failover: ["nothing"],
  "aof-tail": ["everysec", "no"],
  "aof-always": ["always"],
};

/**
 * Races to a Redis that is back, older than it was or not, between publishers, replicas and clients that come back; and
 * the judgement.
 *
 * @param onRace - told of each race when everybody has caught up
 */
export async function rollback(
  options: RollbackOptions,
  onRace: (line: string) => void = () => undefined,
): Promise<RollbackReport> {
  const random = randomFrom(options.seed);
  const truth = new Truth(new Findings());
  const closers: (() => Promise<unknown>)[] = [];
  const logs: string[] = [];
  try {
    const house = await RedisHouse.start(random.pick(PERSISTENCE[options.kind]));
    closers.push(() => house.stop());
    const replicas = await startReplicas({
      count: REPLICAS,
      redisPort: () => house.port,
      historyLimit: HISTORY_LIMIT,
      ...(options.main !== undefined && { main: options.main }),
      onLine: (node, line) => {
        logs.push(`${node} ${line}`);
        if (logs.length > 20_000) logs.shift();
      },
    });
    closers.push(() => stopReplicas(replicas));
    const gates = await Promise.all(
      Array.from({ length: EMITTERS + 1 }, () => Gate.open(() => house.port)),
    );
    closers.push(() => Promise.all(gates.map((gate) => gate.close())));
    const clients = await joinAll(options, replicas, truth, random);
    closers.push(() => Promise.all(clients.map((client) => client.close())));
    const publishers = await startPublishers(options, replicas, gates, truth);
    closers.push(() => publishers.close());
    const tracks = clients.map(({ track }) => track);

    for (let i = 1; i <= options.races; i++) {
      const race = new Race({
        kind: options.kind,
        house,
        gates: [...replicas.map(({ gate }) => gate), ...gates],
        clients,
        truth,
        random,
      });
      publishers.resume();
      const what = await race.run();
      await publishers.pause();
      await publishers.finish();
      const caughtUpMs = await catchUp(tracks);
      await readHistories(house.url, truth, { kind: "look" });
      onRace(`${truth.clock()}  race ${i}: ${what}; all caught up after ${caughtUpMs} ms`);
    }
    await delay(AFTERMATH_MS);
    for (const { server } of replicas) await judgeEnd(server, truth, logs);
    for (const track of tracks) track.finish(track.room.order());
    return makeReport({ options, truth, tracks, publishers, logs });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function joinAll(
  options: RollbackOptions,
  replicas: readonly Replica[],
  truth: Truth,
  random: Random,
): Promise<readonly ChaosClient[]> {
  const targets = replicas.map(targetOf);
  const kinds = CLIENT_KINDS.filter((kind) => kind === "websocket" || kind === "plain");
  return Promise.all(
    Array.from({ length: options.clients }, (_, i) => {
      const session = random.pick(SESSIONS);
      const kind = random.pick(kinds);
      const role = random.next() < TEACHER_SHARE ? "teacher" : "student";
      const track = new Track(`client ${i} (${kind})`, truth.room(session, role), truth);
      const choose = () => random.pick(targets);
      return startClient({ kind, session, role, track, choose });
    }),
  );
}

function startPublishers(
  { rate, seed }: RollbackOptions,
  replicas: readonly Replica[],
  gates: readonly Gate[],
  truth: Truth,
): Promise<Publishers> {
  const random = randomFrom(seed + 1);
  const targets = replicas.map(targetOf);
  for (const session of SESSIONS) for (const role of ROLES) truth.room(session, role);
  const [swallowing, ...others] = gates.map(({ url }) => url);
  return Publishers.start({
    redisUrls: others,
    swallowingUrl: swallowing ?? "",
    historyLimit: HISTORY_LIMIT,
    sessions: SESSIONS,
    rate,
    random,
    truth,
    swallowed: 0,
    choose: () => random.pick(targets),
  });
}

/** @returns how long it took, in milliseconds; who has not got there by then is judged at the end */
async function catchUp(tracks: readonly Track[]): Promise<number> {
  const startedAt = Date.now();
  while (!tracks.every(({ isDone }) => isDone) && Date.now() < startedAt + PATIENCE_MS) {
    await delay(LOOK_EVERY_MS);
  }
  return Date.now() - startedAt;
}

/** A replica that ended by itself, or that left a promise without a handler. */
async function judgeEnd(
  server: Replica["server"],
  truth: Truth,
  logs: readonly string[],
): Promise<void> {
  const { code, signal } = await server.stop();
  if (code === 0) return;
  const last = logs.filter((line) => line.startsWith(`${server.nodeId} `)).slice(-10);
  truth.findings.add(
    "broken",
    1,
    server.nodeId,
    `ended with ${signal ?? `exit code ${code}`}`,
    last,
  );
}
