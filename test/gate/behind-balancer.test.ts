import { randomUUID } from "node:crypto";
import t from "tap";
import { startCluster } from "../helpers/processes/cluster.js";
import { startLoadBalancer } from "../helpers/processes/load-balancer.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { authorization, byHttp, DOORS } from "./helpers/doors.js";
import { namedKey, sign, withKeyServer } from "./helpers/issuers.js";

t.jobs = 2;

const SESSION = randomUUID();
const claims = { session_id: SESSION, role: "student" };
/** More than a balancer might count before it believes that a replica has failed. */
const ANSWERS_503 = 6;
const STRANGERS = 60;

for (const [kind, installed] of [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const) {
  void t.test(
    `behind ${kind}, a 503 to a stranger costs nobody else anything, nor does a replica that was killed`,
    async (t) => {
      await installed();
      const { env, signing } = await withKeyServer(t);
      const cluster = await startCluster({ replicas: 3, env: { ...env, TRUST_PROXY: "1" } });
      t.teardown(() => cluster.stop());
      const balancer = await startLoadBalancer({ kind, replicas: cluster.replicas });
      t.teardown(() => balancer.stop());
      const { url } = balancer;
      const token = await sign(signing, claims);
      const statuses = async () => {
        const visitor = { url, session: SESSION, role: "student", token } as const;
        const history = `${url}/sessions/${SESSION}/events?role=student`;
        return [
          (await DOORS["plain WebSocket, by header"]?.(visitor))?.code,
          (await byHttp(history, { headers: authorization({ token }) })).status,
        ];
      };
      t.strictSame(await statuses(), ["in", 200]);

      const { signing: strange } = await namedKey("unknown");
      let answers503 = 0;
      for (let i = 0; i < STRANGERS && answers503 < ANSWERS_503; i++) {
        // Each replica asks for the keys once for them, and tells all others in the next seconds to come back.
        const stranger = await sign({ ...strange, kid: randomUUID() }, claims);
        const headers = authorization({ token: stranger });
        const { status } = await byHttp(`${url}/sessions/${SESSION}`, { headers });
        if (status !== 503) continue;
        answers503++;
        t.strictSame(await statuses(), ["in", 200]);
      }
      t.equal(answers503, ANSWERS_503);

      cluster.replica(0).kill("SIGKILL");
      await cluster.replica(0).exited;
      for (let i = 0; i < 2 * cluster.replicas.length; i++) {
        t.strictSame(await statuses(), ["in", 200]);
      }
    },
  );
}
