import { setTimeout as delay } from "node:timers/promises";
import { ROLES } from "@inthon/emitter/protocol";
import type { Random } from "../../chaos/random.js";
import { Track } from "../../chaos/judge/track.js";
import type { Truth } from "../../chaos/judge/truth.js";
import { startClient, type ChaosClient } from "../../chaos/world/clients.js";
import type { Target } from "../../chaos/world/line.js";
import { Publishers } from "../../chaos/world/publishers.js";
import type { ClientKind } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import type { Owner } from "../../helpers/topologies/ends.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";

const KINDS: readonly ClientKind[] = ["websocket", "plain", "event-stream"];
const EMITTERS = 2;
/** Nothing is trimmed: what is gone was lost. */
export const HISTORY_LIMIT = 1_000_000;
const PATIENCE_MS = 60_000;
const SETTLE_MS = 20_000;
const LOOK_EVERY_MS = 20;

export interface SchoolOptions {
  readonly servers: readonly ServerProcess[];
  readonly redisUrl: string;
  readonly sessions: readonly string[];
  readonly truth: Truth;
  readonly random: Random;
  readonly waitReplicas: number;
  readonly clients: number;
  readonly rate: number;
}

/** Classes that are told all the time: in each a teacher, who stays, and students on every replica. */
export class School {
  readonly tracks: readonly Track[];
  readonly publishers: Publishers;
  readonly #truth: Truth;
  /** Calls accepted in each session. */
  readonly #accepted: ReadonlyMap<string, number>;
  readonly #pauses: Pauses;

  private constructor(
    truth: Truth,
    tracks: readonly Track[],
    publishers: Publishers,
    pauses: Pauses,
  ) {
    this.#truth = truth;
    this.tracks = tracks;
    this.publishers = publishers;
    this.#pauses = pauses;
    this.#accepted = pauses.accepted;
  }

  /** Resolves when all are there and are told. */
  static async open(owner: Owner, options: SchoolOptions): Promise<School> {
    const { sessions, servers, truth, random, redisUrl, waitReplicas, rate } = options;
    const targets = servers.map(({ nodeId, port }): Target => ({ name: nodeId, port }));
    const choose = () => random.pick(targets);
    for (const session of sessions) for (const role of ROLES) truth.room(session, role);
    const teachers = await joinAll(owner, "teacher", sessions.length, options, choose);
    for (const session of sessions) {
      for (const { url } of servers) await eventually(() => hasTeacher(url, session), PATIENCE_MS);
    }
    const students = await joinAll(owner, "student", options.clients, options, choose);
    const pauses = new Pauses(sessions);
    const publishers = await Publishers.start({
      redisUrls: Array.from({ length: EMITTERS }, () => redisUrl),
      historyLimit: HISTORY_LIMIT,
      waitReplicas,
      sessions,
      rate,
      random,
      truth,
      swallowed: 0,
      choose,
      onAccepted: (session) => {
        pauses.accept(session);
      },
    });
    owner.teardown(() => publishers.close());
    const tracks = [...teachers, ...students].map(({ track }) => track);
    const school = new School(truth, tracks, publishers, pauses);
    await school.hear();
    return school;
  }

  /** Resolves when so many more calls have been accepted in each session. */
  async hear(more = 5): Promise<void> {
    const before = new Map(this.#accepted);
    await eventually(
      () =>
        Promise.resolve(
          [...this.#accepted].every(
            ([session, count]) => count >= (before.get(session) ?? 0) + more,
          ),
        ),
      PATIENCE_MS,
    );
  }

  /** The longest time without an accepted call in any session, from now on. */
  startTheClock(): void {
    this.#pauses.start();
  }

  /** In milliseconds. */
  get longestPauseMs(): number {
    return this.#pauses.longestMs;
  }

  /** Publishes the last events, and resolves when everybody has them, or is late. */
  async close(): Promise<void> {
    this.#pauses.stop();
    await this.publishers.stop();
    await this.publishers.finish();
    const giveUpAt = Date.now() + SETTLE_MS;
    while (!this.tracks.every(({ isDone }) => isDone) && Date.now() < giveUpAt) {
      await delay(LOOK_EVERY_MS);
    }
  }

  /** Students who heard that no teacher is there, though theirs was connected all the time. */
  get flickers(): number {
    const isTeacher = ({ room }: Track) => room.role === "teacher";
    const gone = new Set(
      this.tracks
        .filter((track) => isTeacher(track) && track.drops > 0)
        .map(({ room }) => room.session),
    );
    return this.#sum(({ room, heardAway }) => (gone.has(room.session) ? 0 : heardAway));
  }

  /** Connections that ended. */
  get closed(): number {
    return this.#sum(({ drops }) => drops);
  }

  /** Clients told that they were not recovered. */
  get told(): number {
    return this.#sum(({ notRecovered }) => notRecovered);
  }

  get deliveries(): number {
    return this.#sum(({ deliveries }) => deliveries);
  }

  /** Places that publishers were promised, and that no history has. */
  get gone(): number {
    return this.#truth.rooms.reduce((total, room) => total + room.gone(room.order()), 0);
  }

  #sum(value: (track: Track) => number): number {
    return this.tracks.reduce((total, track) => total + value(track), 0);
  }
}

/** How long nobody's call is accepted, session by session. */
class Pauses {
  readonly accepted: Map<string, number>;
  longestMs = 0;
  readonly #last = new Map<string, number>();
  #isRunning = false;

  constructor(sessions: readonly string[]) {
    this.accepted = new Map(sessions.map((session) => [session, 0]));
  }

  start(): void {
    this.#isRunning = true;
    const now = performance.now();
    for (const session of this.accepted.keys()) this.#last.set(session, now);
  }

  accept(session: string): void {
    this.accepted.set(session, (this.accepted.get(session) ?? 0) + 1);
    if (this.#isRunning) this.#measure(session);
  }

  stop(): void {
    for (const session of this.accepted.keys()) this.#measure(session);
    this.#isRunning = false;
  }

  #measure(session: string): void {
    const now = performance.now();
    this.longestMs = Math.max(this.longestMs, now - (this.#last.get(session) ?? now));
    this.#last.set(session, now);
  }
}

async function joinAll(
  owner: Owner,
  role: "teacher" | "student",
  count: number,
  { sessions, truth }: SchoolOptions,
  choose: () => Target,
): Promise<readonly ChaosClient[]> {
  const clients = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const session = sessions[i % sessions.length] ?? "";
      // Students of a session are of every kind.
      const kind =
        KINDS[Math.floor(i / (role === "teacher" ? 1 : sessions.length)) % KINDS.length] ?? "plain";
      const track = new Track(`${role} ${String(i)} (${kind})`, truth.room(session, role), truth);
      const client = await startClient({ kind, session, role, track, choose });
      owner.teardown(() => client.close());
      return client;
    }),
  );
  await eventually(
    () => Promise.resolve(clients.every(({ track }) => track.isConnected)),
    PATIENCE_MS,
  );
  return clients;
}

async function hasTeacher(url: string, session: string): Promise<boolean> {
  const init = { headers: { connection: "close" } };
  const state = (await (await fetch(`${url}/sessions/${session}`, init)).json()) as {
    readonly teacher_online?: boolean;
  };
  return state.teacher_online === true;
}
