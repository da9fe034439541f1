import { randomUUID } from "node:crypto";
import t from "tap";
import { slotOf } from "@inthon/emitter";
import { roomChannel } from "@inthon/emitter/protocol";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { startRedisCluster, type ClusterNode } from "../../helpers/processes/redis-cluster.js";
import { startServer } from "../../helpers/processes/server-process.js";

/** So long that nothing is looked after while this is watched: what is claimed is claimed for what happens. */
const ENV = { LEASE_MS: "120000", REDIS_LINK_TIMEOUT_MS: "1000" };
const setOf = (session: string) => `session:${session}:teachers`;

const WAYS: Readonly<Record<string, (master: ClusterNode) => Promise<unknown>>> = {
  "comes back with nothing": ({ redis }) => redis.restart(),
  "is emptied": ({ ask }) => ask("FLUSHALL"),
};

for (const [what, forget] of Object.entries(WAYS)) {
  void t.test(
    `a master that ${what} has its teachers claimed, and nobody hears of it`,
    async (t) => {
      const cluster = await startRedisCluster(t, { replicas: 0 });
      const start = () => startServer({ env: { ...ENV, REDIS_URL: cluster.url() } });
      const servers = await Promise.all([start(), start()]);
      for (const server of servers) t.teardown(() => server.stop());
      const masterOf = (key: string) => cluster.masterOf(slotOf(key));
      const ofNodes = await masterOf("inthon:nodes");
      // Whose history is lost as well is sent away, and that is told.
      const find = async () => {
        for (;;) {
          const session = randomUUID();
          const channelOf = (role: string) => roomChannel(`session_${session}_${role}`);
          const lost = await masterOf(setOf(session));
          const kept = [
            ofNodes,
            await masterOf(channelOf("teacher")),
            await masterOf(channelOf("student")),
          ];
          if (!kept.includes(lost)) return { session, lost };
        }
      };
      const { session, lost } = await find();
      const [{ url }, another] = servers;
      const teacher = await join({ url, session, role: "teacher", kind: "websocket" });
      const students = await Promise.all(
        [url, another.url].map((url) => join({ url, session, role: "student", kind: "plain" })),
      );
      for (const client of [teacher, ...students]) t.teardown(() => client.close());
      await forget(lost);
      await eventually(async () => (await lost.ask("SCARD", setOf(session)).catch(() => 0)) === 1);
      for (const { url } of servers) {
        const answer = await fetch(`${url}/sessions/${session}`);
        t.match(await answer.json(), { teacher_online: true });
      }
      for (const { inbox } of students) {
        const told = inbox.items.map(({ object }) => object["is_online"]);
        t.notOk(told.includes(false), "the teacher did not go");
      }
    },
  );
}
