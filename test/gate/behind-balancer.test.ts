import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t from "tap";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { RawBytes, upgradeHead } from "../helpers/clients/raw-bytes.js";
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
/** What Engine.IO refuses, and its code. */
const REFUSED_UPGRADES = [
  ["EIO=4&transport=websocket&sid=nobody", 1],
  ["EIO=4&transport=carrier-pigeon", 0],
  ["EIO=3&transport=websocket", 5],
] as const;

const BALANCERS = [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const;

for (const [kind, installed] of BALANCERS) {
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

      await t.test(
        "an upgrade that Engine.IO refuses is answered by it, and by no 502",
        async (t) => {
          for (const [query, code] of REFUSED_UPGRADES) {
            const raw = await RawBytes.open(url);
            raw.send(upgradeHead(`/ws/session/${SESSION}/student/?${query}`));
            const head = await raw.until("\r\n\r\n");
            t.match(head, /^HTTP\/1\.1 400 /, query);
            const answer = await raw.until(`"code":${String(code)}`);
            t.match(answer, '"message":', query);
            raw.socket.destroy();
          }
        },
      );

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

for (const [kind, installed] of BALANCERS) {
  void t.test(
    `behind ${kind}, where no replica is ready, who can be served is, and others are told why not`,
    async (t) => {
      await installed();
      const cluster = await startCluster({ replicas: 3, env: { TRUST_PROXY: "1" } });
      t.teardown(() => cluster.stop());
      const balancer = await startLoadBalancer({ kind, replicas: cluster.replicas });
      t.teardown(() => balancer.stop());
      const { url } = balancer;
      const event = { event: "important", note: "x", capture_url: null };
      t.equal((await post(url, SESSION, event)).status, 202);

      const admin = createClient({ url: cluster.redisUrl });
      await admin.connect();
      t.teardown(() => {
        admin.destroy();
      });
      await admin.configSet({ "maxmemory-policy": "noeviction", maxmemory: "1" });
      for (const replica of cluster.replicas) {
        await eventually(async () => (await fetch(`${replica.url}/readyz`)).status === 503);
      }
      // nginx asks no replica whether it is ready.
      const hasNoticed = () =>
        kind === "nginx" ||
        cluster.replicas.every(({ nodeId }) => balancer.output().includes(`/${nodeId} is DOWN`));
      await eventually(() => Promise.resolve(hasNoticed()));

      for (const turn of cluster.replicas.keys()) {
        const visitor = { url, session: SESSION, role: "student", token: undefined } as const;
        for (const [name, door] of Object.entries(DOORS)) {
          t.match(await door(visitor), { code: "in" }, `${name}, ${String(turn)}`);
        }
        const answer = await post(url, SESSION, event);
        t.equal(answer.status, 503);
        t.match(await answer.json(), { code: "redis_full" });
      }
    },
  );
}
