import { randomUUID } from "node:crypto";
import type { Test } from "tap";
import { connect, slotOf, SLOTS } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { eventually } from "../../../helpers/eventually.js";
import { startRedisCluster } from "../../../helpers/processes/redis-cluster.js";
import { isServed } from "../../../links/helpers/hung-links.js";
import { holdClass, judge, lostOf, startServers } from "../../helpers/class.js";

const MASTERS = 3;
/** Slots of each master that its class is in: the first ones, which move first. */
const FIRST_SLOTS = 2_000;
/** Each class hears so much before anything happens, and after it. */
const EVENTS = 20;
const HEARD_MS = 60_000;

function firstSlotOf(master: number): number {
  return Math.floor((master * SLOTS) / MASTERS);
}

/** A session of which this key is in the first slots of a master. No session has all of its keys in such a part. */
function sessionAt(master: number, keyOf: (session: string) => string): string {
  const first = firstSlotOf(master);
  for (;;) {
    const session = randomUUID();
    const slot = slotOf(keyOf(session));
    if (slot >= first && slot < first + FIRST_SLOTS) return session;
  }
}

const roomOf = (session: string) => roomChannel(`session_${session}_student`);
const teachersOf = (session: string) => `session:${session}:teachers`;

/**
 * Two replicas on a Redis Cluster of three masters with a replica each, and classes: one whose room is in each master, and one
 * whose teacher is in the first. Each has a teacher, two students, and publishers who do not cease.
 */
export async function openSchool(t: Test, waitReplicas = 0) {
  const cluster = await startRedisCluster(t, { masters: MASTERS });
  const servers = await startServers(t, cluster.url(), waitReplicas);
  const emitter = await connect(servers[0].url);
  t.teardown(() => emitter.close());
  const masterAt = (i: number) => cluster.masterOf(firstSlotOf(i));
  const masters = [await masterAt(0), await masterAt(1), await masterAt(2)] as const;
  const sessions = [...masters.map((_, i) => sessionAt(i, roomOf)), sessionAt(0, teachersOf)];
  const classes = await Promise.all(
    sessions.map((session) => holdClass(t, servers, emitter, session, ["websocket", "plain"])),
  );
  const hear = async (more = EVENTS) => {
    const before = classes.map(({ confirmed }) => confirmed.length);
    const haveAll = () =>
      classes.every(({ confirmed }, i) => confirmed.length >= (before[i] ?? 0) + more);
    // A machine that is busy takes its time for an election.
    await eventually(() => Promise.resolve(haveAll()), HEARD_MS);
  };
  await hear();
  return {
    cluster,
    masters,
    servers,
    classes,
    /** Resolves when each class has been told so much more. */
    hear,
    /**
     * Judges what everybody has heard, when all is as it was.
     *
     * @returns how much was lost that was confirmed, and how many were sent away
     */
    end: async () => {
      await hear();
      for (const { url } of servers) await eventually(() => isServed(url));
      let [lost, sentAway] = [0, 0];
      for (const { students, confirmed, end } of classes) {
        const history = await end();
        await judge(t, students, history);
        lost += lostOf(t, confirmed, history);
        sentAway += students.filter(({ isClosed }) => isClosed).length;
      }
      return { lost, sentAway };
    },
  };
}
