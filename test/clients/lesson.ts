/**
 * One lesson, for all clients at once, each in a session of its own, behind a load balancer before two replicas: what is
 * published before, while a replica is killed, and while the other one is; and the end. Each step is judged by itself.
 */
import { connect, type Emitter } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import type { Client } from "./clients.js";
import { Seat } from "./seat.js";
import type { Host, Where } from "./where/host.js";

/** Some are compiled first, or are a browser that has never been started here. */
const START_PATIENCE_MS = 90_000;
const PATIENCE_MS = 45_000;
/** How many are started at once. */
const STARTS = 3;

/** What a client shows, in this order. */
export const STEPS = [
  "connects",
  "hears",
  "pings",
  "resumes",
  "each once",
  "is ended",
  "stays away",
] as const;
export type Step = (typeof STEPS)[number];

export interface Result {
  readonly name: string;
  /** Of what it is, where it could be had. */
  readonly version: string;
  /** What it has shown: a word for each step. */
  readonly shown: Partial<Record<Step, string>>;
  /** Why it did not run, or where it failed. */
  readonly missing?: string;
  readonly fault?: string;
}

/** A client that takes part. */
interface Pupil {
  readonly client: Client;
  readonly seat: Seat;
  readonly shown: Partial<Record<Step, string>>;
  /** What it has to hear, as {@link Seat.notes}. */
  readonly told: string[];
  version: string;
  missing?: string;
  fault?: string;
}

/** Whom each session's connections were with, by the replicas' logs. */
type Visits = Map<string, string[]>;

/** @param print - told of each step */
export async function teach(
  clients: readonly Client[],
  print: (line: string) => void,
): Promise<readonly Result[]> {
  const visits: Visits = new Map();
  const cluster = await startCluster({
    replicas: 2,
    loadBalancer: true,
    onLine: (nodeId, line) => {
      noteVisit(visits, nodeId, line);
    },
  });
  const hosts = new Map<Where, Promise<Host>>();
  try {
    const emitter = await connect(cluster.redisUrl);
    try {
      const pupils = clients.map((client) => newPupil(client));
      await seatAll(pupils, cluster, hosts, print);
      await lesson(pupils, cluster, emitter, visits, print);
      return pupils.map(resultOf);
    } finally {
      await emitter.close();
    }
  } finally {
    for (const host of await Promise.allSettled(hosts.values())) {
      if (host.status === "fulfilled") await host.value.stop();
    }
    await cluster.stop();
  }
}

function newPupil(client: Client): Pupil {
  return { client, seat: new Seat(), shown: {}, told: [], version: "" };
}

function resultOf({ client: { name }, version, shown, missing, fault }: Pupil): Result {
  return {
    name,
    version,
    shown,
    ...(missing !== undefined && { missing }),
    ...(fault !== undefined && { fault }),
  };
}

function noteVisit(visits: Visits, nodeId: string, line: string): void {
  if (!line.includes('"msg":"connected"')) return;
  const { session } = JSON.parse(line) as { session: string };
  visits.set(session, [...(visits.get(session) ?? []), nodeId]);
}

/** Starts the clients, a few at a time; each has connected when the next one is started. */
async function seatAll(
  pupils: readonly Pupil[],
  cluster: Cluster,
  hosts: Map<Where, Promise<Host>>,
  print: (line: string) => void,
): Promise<void> {
  const waiting = [...pupils];
  const startInTurn = async () => {
    for (let pupil = waiting.shift(); pupil !== undefined; pupil = waiting.shift()) {
      const { client, seat } = pupil;
      const host = hosts.get(client.where) ?? client.where();
      hosts.set(client.where, host);
      try {
        pupil.version = (await host).version;
      } catch (error) {
        pupil.missing = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "unknown";
        print(`${client.name}: not run: ${pupil.missing}`);
        continue;
      }
      await step(pupil, "connects", async () => {
        const { program, changes } = client;
        await (
          await host
        ).start({ program, changes, url: cluster.url, session: seat.session }, seat);
        await seat.until(() => seat.named("connected").length > 0, START_PATIENCE_MS);
        return "yes";
      });
    }
  };
  await Promise.all(Array.from({ length: STARTS }, startInTurn));
}

async function lesson(
  pupils: readonly Pupil[],
  cluster: Cluster,
  emitter: Emitter,
  visits: Visits,
  print: (line: string) => void,
): Promise<void> {
  const all = async (name: Step, judge: (pupil: Pupil) => Promise<string>) => {
    await Promise.all(pupils.map((pupil) => step(pupil, name, () => judge(pupil))));
  };
  const say = async (note: string) => {
    for (const { seat, told, missing } of pupils) {
      if (missing !== undefined) continue;
      const { offsets } = await emitter.emit(seat.session, "important", {
        note,
        capture_url: null,
      });
      told.push(`${offsets.student ?? ""} ${note}`);
    }
  };
  const hearsAll = async ({ seat, told }: Pupil) => {
    await seat.until(() => seat.notes.length >= told.length, PATIENCE_MS);
  };

  print("telling all of them something");
  await say('왜요? 🙂 "Why"\\n');
  await all("hears", async (pupil) => {
    await hearsAll(pupil);
    return "yes";
  });
  await all("pings", async ({ client, seat }) => {
    if (!client.canPing) return "-";
    await seat.until(() => seat.named("pong").length > 0, PATIENCE_MS);
    return "yes";
  });
  for (const index of [0, 1]) {
    // What not every program prints moves its place on all the same.
    const picture = { question_id: index, capture_url: null };
    for (const { seat, missing } of pupils) {
      if (missing === undefined) await emitter.emit(seat.session, "question_capture", picture);
    }
    const replica = cluster.replica(index);
    print(`killing ${replica.nodeId}`);
    const killedAt = performance.now();
    replica.kill("SIGKILL");
    await replica.exited;
    await say(`while ${replica.nodeId} is away`);
    await all("resumes", async (pupil) => {
      await hearsAll(pupil);
      const seconds = (performance.now() - killedAt) / 1_000;
      return `${Math.max(seconds, Number.parseFloat(pupil.shown.resumes ?? "0")).toFixed(1)} s`;
    });
    await replica.restart();
    await eventually(async () => (await fetch(`${cluster.url}/readyz`)).ok);
  }
  print("ending the sessions");
  for (const { seat, missing } of pupils) {
    if (missing === undefined) await emitter.emit(seat.session, "session_ended");
  }
  await all("is ended", async ({ seat }) => {
    await seat.until(() => seat.named("session_ended").length > 0, PATIENCE_MS);
    return "yes";
  });
  await all("stays away", async ({ client, seat }) => {
    await seat.until(() => seat.end !== undefined, PATIENCE_MS);
    if (!client.end.test(seat.end ?? "")) throw new Error(`it says: ${seat.end ?? ""}`);
    return seat.end ?? "";
  });
  await judgeAll(all, visits);
}

/** What can be said only when all is over. */
async function judgeAll(
  all: (name: Step, judge: (pupil: Pupil) => Promise<string>) => Promise<void>,
  visits: Visits,
): Promise<void> {
  await all("each once", async ({ seat, told }) => {
    // What it says before it has heard anything is no mistake.
    const first = seat.lines.findIndex((line) => line.includes('"connected"'));
    if (seat.lines.slice(first).includes("begins anew")) {
      throw new Error("it said that it begins anew, where nothing was lost");
    }
    if (seat.notes.join("\n") === told.join("\n")) return `${String(told.length)} of them`;
    throw new Error(
      `it was told\n    ${told.join("\n    ")}\n  and heard\n    ${seat.notes.join("\n    ")}`,
    );
  });
  await all("stays away", async ({ seat, shown }) => {
    const { code, signal } = seat.exit ?? { code: 0, signal: null };
    if (code !== 0) throw new Error(`its process ended with ${String(code ?? signal)}`);
    const names = seat.heard.map(({ event }) => event["event"]).filter((name) => name !== "pong");
    if (names.indexOf("session_ended") !== names.length - 1) {
      throw new Error(`it heard ${names.join(", ")}`);
    }
    return shown["stays away"] ?? "";
  });
  await all("resumes", async ({ seat, shown }) => {
    const replicas = visits.get(seat.session) ?? [];
    if (new Set(replicas).size < 2) throw new Error(`it was with ${replicas.join(", ")} alone`);
    if (seat.named("connected").length !== replicas.length) {
      throw new Error(
        `it heard connected ${String(seat.named("connected").length)} times, of ${replicas.join(", ")}`,
      );
    }
    return shown.resumes ?? "";
  });
}

/** Has a client that is still there take a step. Where that fails it takes no other. */
async function step(pupil: Pupil, name: Step, judge: () => Promise<string>): Promise<void> {
  if (pupil.missing !== undefined || pupil.fault !== undefined) return;
  try {
    pupil.shown[name] = await judge();
  } catch (error) {
    pupil.shown[name] = "NO";
    const { newest } = pupil.seat;
    pupil.fault = `${name}: ${error instanceof Error ? error.message : String(error)}\n    ${newest}`;
  }
}
