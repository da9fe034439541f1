/** Streams behind the load balancers of `server/load-balancers`. What clients there are: `test/clients`. */
import { randomUUID } from "node:crypto";
import t from "tap";
import { join } from "../helpers/clients/clients.js";
import { EventStream } from "../helpers/clients/event-stream.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startLoadBalancer } from "../helpers/processes/load-balancer.js";
import { ensureTool } from "../helpers/tools/tools.js";

for (const kind of ["haproxy", "nginx"] as const) {
  void t.test(`${kind} holds nothing back, and tells at once who has gone`, async (t) => {
    await ensureTool(kind);
    const cluster = await startCluster({ replicas: 2, env: { PING_INTERVAL_MS: "300000" } });
    t.teardown(() => cluster.stop());
    const balancer = await startLoadBalancer({ kind, replicas: cluster.replicas });
    t.teardown(() => balancer.stop());
    const session = randomUUID();
    const student = await join({ url: cluster.url, session, role: "student", kind: "plain" });
    t.teardown(() => student.close());
    const teacher = await EventStream.open(balancer.url, `/ws/session/${session}/teacher/`);
    await teacher.events.next();
    const tells = (isOnline: boolean) =>
      student.inbox.next(({ object }) => object["is_online"] === isOnline);
    await tells(true);
    teacher.close();
    await tells(false);
    t.equal(student.inbox.items.length, 3);
  });
}
