import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import { connect, type Emitter } from "@inthon/emitter";
import { join, type Client, type ClientKind } from "../../helpers/clients/clients.js";
import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";

const PATIENCE = { timeoutMs: 30_000 };
export const PUBLISHERS = 4;
const PAUSE_MS = 50;
const KINDS: readonly ClientKind[] = ["websocket", "plain", "polling", "event-stream"];

export interface Place {
  readonly offset: string;
  readonly note: string;
}

/** What a client has heard, and whether it has been sent away. */
export interface Heard {
  readonly client: Client;
  readonly places: () => readonly Place[];
  isClosed: boolean;
}

/**
 * A class on two replicas, who is told of all that four publishers say.
 *
 * @param waitReplicas - as the setting of servers and emitter
 */
export async function openClass(t: Test, url: string, waitReplicas = 0) {
  const servers = await startServers(t, url, waitReplicas);
  const emitter = await connect(url, { waitReplicas });
  t.teardown(() => emitter.close());
  return { servers, ...(await holdClass(t, servers, emitter)) };
}

/** Two replicas on this Redis. */
export async function startServers(t: Test, url: string, waitReplicas = 0) {
  const env = { REDIS_URL: url, REDIS_WAIT_REPLICAS: String(waitReplicas) };
  const servers = await Promise.all([startServer({ env }), startServer({ env })]);
  for (const server of servers) t.teardown(() => server.stop());
  return servers;
}

/** A class on replicas that are there. */
export async function holdClass(
  t: Test,
  servers: readonly ServerProcess[],
  emitter: Emitter,
  session: string = randomUUID(),
  kinds: readonly ClientKind[] = [...KINDS, ...KINDS],
) {
  const enter = async (role: "student" | "teacher", kind: ClientKind, at: number) => {
    const server = servers[at % servers.length];
    if (!server) throw new Error("a server");
    const client = await join({ url: server.url, session, role, kind, wantsOffsets: true });
    t.teardown(() => client.close());
    return client;
  };
  await enter("teacher", "websocket", 0);
  const students = await Promise.all(
    kinds.map(async (kind, i): Promise<Heard> => {
      const client = await enter("student", kind, i);
      const heard: Heard = {
        client,
        isClosed: false,
        places: () =>
          client.inbox.items.flatMap(({ offset = "", object: { note } }) =>
            typeof note === "string" ? [{ offset, note }] : [],
          ),
      };
      void client.closed.then(() => {
        heard.isClosed = true;
      });
      return heard;
    }),
  );
  const confirmed: string[] = [];
  let isOver = false;
  const publishers = Array.from({ length: PUBLISHERS }, async (_, publisher) => {
    for (let i = 0; !isOver; i++) {
      const note = `${String(publisher)}-${String(i)}`;
      await emitter.emit(session, "important", { note, capture_url: null }, PATIENCE);
      confirmed.push(note);
      // Few enough for the history to reach back to the beginning.
      await delay(PAUSE_MS);
    }
  });
  // Where a test fails before it ends them, it has failed enough.
  for (const publisher of publishers) publisher.catch(() => undefined);
  return {
    session,
    students,
    confirmed,
    /** Ends publishing, and tells what there is in the end. */
    end: async (): Promise<readonly Place[]> => {
      isOver = true;
      await Promise.all(publishers);
      await emitter.emit(session, "important", { note: "last", capture_url: null }, PATIENCE);
      const answer = await fetch(
        `${servers[0]?.url ?? ""}/sessions/${session}/events?role=student&limit=1000`,
      );
      const { events } = (await answer.json()) as {
        events: { offset: string; event: { note?: string } }[];
      };
      return events.flatMap(({ offset, event: { note } }) =>
        note === undefined ? [] : [{ offset, note }],
      );
    },
  };
}

/**
 * Who stayed has heard all that there is, once and in its order; whoever heard what is gone has been sent away. The teacher was
 * there all the time.
 */
export async function judge(t: Test, students: readonly Heard[], history: readonly Place[]) {
  t.equal(new Set(history.map(({ note }) => note)).size, history.length, "none is there twice");
  // What is gone may have been published again, in another place.
  const kept = new Set(history.map(({ offset }) => offset));
  for (const { client, places, isClosed } of students) {
    const isOnline = client.inbox.items.map(({ object }) => object["is_online"]);
    t.notOk(isOnline.includes(false), `${client.kind}: the teacher did not go`);
    const heardWhatIsGone = places().some(({ offset }) => !kept.has(offset));
    t.equal(isClosed, heardWhatIsGone, `${client.kind}: sent away if it heard what is gone`);
    if (isClosed) continue;
    await client.inbox.next(({ object }) => object["note"] === "last");
    t.strictSame(places(), history, `${client.kind}: all of it, once, in order`);
  }
}

/** How much was confirmed, and is not there. */
export function lostOf(t: Test, confirmed: readonly string[], history: readonly Place[]): number {
  const kept = new Set(history.map(({ note }) => note));
  const lost = confirmed.filter((note) => !kept.has(note)).length;
  t.comment(`${String(confirmed.length)} confirmed, ${String(lost)} of them lost`);
  return lost;
}
