import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { socketIo, type ClassroomSocket } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startLoadBalancer } from "../helpers/processes/load-balancer.js";
import { ensureTool } from "../helpers/tools/tools.js";

// Replicas take their time to go.
t.setTimeout(180_000);

const KINDS = ["websocket", "polling", "upgrade"] as const;
const OF_EACH_KIND = 4;
const EVENTS = 60;

interface Watched {
  readonly socket: ClassroomSocket;
  readonly notes: string[];
  readonly presence: boolean[];
  drops: number;
  recovered: boolean;
}

for (const [kind, installed] of [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const) {
  void t.test(
    `behind ${kind}, whoever is on a replica that goes moves once, misses nothing, and nobody else notices`,
    async (t) => {
      await installed();
      const cluster = await startCluster({
        replicas: 3,
        env: { DRAIN_DELAY_MS: "3000", DRAIN_SPREAD_MS: "2000", TRUST_PROXY: "1" },
      });
      t.teardown(() => cluster.stop());
      const balancer = await startLoadBalancer({ kind, replicas: cluster.replicas });
      t.teardown(() => balancer.stop());
      const emitter = await connect(cluster.redisUrl);
      t.teardown(() => emitter.close());
      const session = randomUUID();
      const { url } = balancer;
      const students = await Promise.all(
        KINDS.flatMap((kind) =>
          Array.from({ length: OF_EACH_KIND }, () =>
            enter(t, socketIo({ url, session, role: "student", kind })),
          ),
        ),
      );
      const teacher = await enter(t, socketIo({ url, session, role: "teacher", kind: "upgrade" }));
      await eventually(() =>
        Promise.resolve(students.every(({ presence }) => presence.length === 1)),
      );
      const going = replicaOf(teacher.socket);
      const sentAway = students.filter(({ socket }) => replicaOf(socket) === going);
      const stay = students.filter(({ socket }) => replicaOf(socket) !== going);

      const replica = cluster.replicas.find(({ nodeId }) => nodeId === going);
      replica?.kill("SIGTERM");
      const exit = replica?.exited;
      for (let i = 0; i < EVENTS; i++) {
        await emitter.emit(session, "important", { note: String(i), capture_url: null });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      t.match(await exit, { code: 0, signal: null });
      await eventually(() =>
        Promise.resolve(students.every(({ notes }) => notes.at(-1) === String(EVENTS - 1))),
      );
      const all = Array.from({ length: EVENTS }, (_, i) => String(i));
      for (const { notes, presence, recovered, drops } of sentAway) {
        t.strictSame(notes, all);
        t.strictSame(presence, [true], "the teacher was never gone");
        t.ok(recovered);
        t.equal(drops, 1);
      }
      for (const { notes, presence, drops } of stay) {
        t.strictSame([notes, presence, drops], [all, [true], 0]);
      }
      t.ok(teacher.recovered);
      t.not(replicaOf(teacher.socket), going);
      t.ok(sentAway.length > 0 && stay.length > 0);
    },
  );
}

async function enter(t: Test, socket: ClassroomSocket): Promise<Watched> {
  t.teardown(() => socket.close());
  const watched: Watched = { socket, notes: [], presence: [], drops: 0, recovered: false };
  socket.on("important", ({ note }) => watched.notes.push(note));
  socket.on("teacher_presence", ({ is_online }) => watched.presence.push(is_online));
  socket.on("disconnect", () => watched.drops++);
  socket.on("connect", () => {
    watched.recovered = socket.recovered;
  });
  await new Promise((resolve) => socket.once("connected", resolve));
  return watched;
}

/** The replica that holds a connection. */
function replicaOf(socket: ClassroomSocket): string {
  return (socket.io.engine as unknown as { id: string }).id.split("~", 1)[0] ?? "";
}
