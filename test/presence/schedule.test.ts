import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import t from "tap";
import type { Role } from "@inthon/emitter/protocol";
import { join, type Client } from "../helpers/clients/clients.js";
import type { Cluster } from "../helpers/processes/cluster.js";
import type { Deployment } from "../helpers/deployments/deployment.js";
import { startOnRedis } from "../helpers/deployments/on-redis.js";
import { eventually } from "../helpers/eventually.js";

const SESSIONS = 20;
const STEPS = 40;
const LEASE_MS = 2_000;

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      session: fc.nat(SESSIONS - 1),
      isPlain: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("leave" as const), session: fc.nat(SESSIONS - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("kill" as const), replica: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("freeze" as const),
      replica: fc.nat(2),
      forMs: fc.integer({ min: 200, max: 2 * LEASE_MS }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart Redis" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Somebody who wants to be in a lecture, and comes back whenever the connection ends, to any replica. */
class Attendee {
  readonly role: Role;
  readonly session: string;
  /** What each of its connections was told of the teacher, in order. */
  readonly told: boolean[][] = [];
  readonly #cluster: Cluster;
  readonly #isPlain: boolean;
  readonly #leaving = new AbortController();
  readonly #ended: Promise<void>;
  #client: Client | undefined;

  constructor(cluster: Cluster, session: string, role: Role, isPlain: boolean) {
    this.#cluster = cluster;
    this.session = session;
    this.role = role;
    this.#isPlain = isPlain;
    this.#ended = this.#attend();
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#client?.close();
    await this.#ended;
  }

  async #attend(): Promise<void> {
    const { signal } = this.#leaving;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const replica = this.#cluster.replica((attempt + this.session.charCodeAt(0)) % 3);
      const told: boolean[] = [];
      const kind = this.#isPlain ? "plain" : "websocket";
      const { url } = replica;
      const client = await join({ url, session: this.session, role: this.role, kind }).catch(
        () => undefined,
      );
      if (!client) {
        await delay(100, undefined, { signal }).catch(() => undefined);
        continue;
      }
      this.#client = client;
      if (this.#leaving.signal.aborted) await client.close();
      this.told.push(told);
      client.inbox.each(({ event, object }) => {
        if (event === "connected") told.push(object["teacher_online"] === true);
        if (event === "teacher_presence") told.push(object["is_online"] === true);
      });
      await client.closed;
      // The stock client would come back by itself, and twice.
      await client.close();
      this.#client = undefined;
    }
  }
}

void t.test("presence agrees with the real connections, whatever dies", async (t) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.comment(`SEED=${String(seed)}`);
  const schedule = fc.sample(step, { numRuns: STEPS, seed });
  const { cluster, redis } = await startOnRedis(t, {
    replicas: 3,
    env: { LEASE_MS: String(LEASE_MS), PING_INTERVAL_MS: "1000", PING_TIMEOUT_MS: "1000" },
    redis: { appendOnly: true, args: ["--appendfsync", "always"] },
  });
  const sessions = Array.from({ length: SESSIONS }, () => randomUUID());
  const students = sessions.flatMap((session, i) => [
    new Attendee(cluster, session, "student", i % 2 === 0),
  ]);
  const teachers: Attendee[] = [];
  t.teardown(() => Promise.all([...students, ...teachers].map((attendee) => attendee.leave())));
  await eventually(() => Promise.resolve(students.every(({ isConnected }) => isConnected)));

  const faults: Promise<void>[] = [];
  const busy = new Set<number>();
  const perform = async (step: Step): Promise<void> => {
    switch (step.kind) {
      case "arrive":
        teachers.push(new Attendee(cluster, sessions[step.session] ?? "", "teacher", step.isPlain));
        return;
      case "leave": {
        const index = teachers.findIndex(({ session }) => session === sessions[step.session]);
        if (index >= 0) await teachers.splice(index, 1)[0]?.leave();
        return;
      }
      case "kill":
      case "freeze": {
        // One fault at a time for each replica; any number of replicas.
        if (busy.has(step.replica)) return;
        busy.add(step.replica);
        const replica = cluster.replica(step.replica);
        const fault = async () => {
          if (step.kind === "kill") {
            replica.kill("SIGKILL");
            await replica.exited;
            await replica.restart();
          } else {
            replica.pause();
            await delay(step.forMs);
            replica.resume();
          }
          busy.delete(step.replica);
        };
        faults.push(fault());
        return;
      }
      case "restart Redis":
        redis.kill("SIGKILL");
        await redis.exited;
        await redis.restart();
        return;
      case "forget":
        await redis.empty();
        return;
    }
  };
  for (const step of schedule) {
    await perform(step);
    await delay(100);
  }
  await Promise.all(faults);

  let disagreement = "";
  await eventually(async () => {
    disagreement = await disagreementOf(cluster, redis, sessions, students, teachers);
    return disagreement === "";
  }).catch((error: unknown) => {
    throw new Error(disagreement, { cause: error });
  });
  t.pass(`${String(SESSIONS)} sessions agree`);
  for (const { told, session } of students) {
    for (const values of told) {
      const isAlternating = values.every((value, i) => i === 0 || value !== values[i - 1]);
      t.ok(isAlternating, `${session} heard ${values.join()}`);
    }
  }
});

/** What does not agree in some session, or the empty string. */
async function disagreementOf(
  cluster: Cluster,
  redis: Deployment,
  sessions: readonly string[],
  students: readonly Attendee[],
  teachers: readonly Attendee[],
): Promise<string> {
  for (const session of sessions) {
    const here = teachers.filter((teacher) => teacher.session === session);
    const listening = students.filter((student) => student.session === session);
    if (![...here, ...listening].every(({ isConnected }) => isConnected)) return `${session}: away`;
    const card = await redis.at(`session:${session}:teachers`).sCard(`session:${session}:teachers`);
    const response = await fetch(`${cluster.replica(0).url}/sessions/${session}`);
    const answer = await response.text();
    const expected = JSON.stringify({
      session_id: session,
      teacher_online: here.length > 0,
      connections: { teacher: here.length, student: listening.length },
    });
    const last = listening.map(({ told }) => told.at(-1)?.at(-1));
    const isTrue = last.every((value) => value === here.length > 0);
    if (card !== here.length || answer !== expected || !isTrue) {
      return `${session}: ${String(here.length)} teachers, SCARD ${String(card)}, ${answer}, told ${last.join()}`;
    }
  }
  return "";
}
