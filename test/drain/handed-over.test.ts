import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import t from "tap";
import { join } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { slowLink } from "../helpers/processes/slow-link.js";

// A replica takes its time to go.
t.setTimeout(120_000);

/** So many, and Redis so far away, that some are being handed over whenever the replica looks at whom it holds. */
const TEACHERS = 150;
const LATENCY_MS = 25;
const ENV = {
  LEASE_MS: "2000",
  DRAIN_DELAY_MS: "0",
  DRAIN_SPREAD_MS: "4000",
  PRESENCE_WINDOW_MS: "0",
};

void t.test(
  "who is just being handed over has not been forgotten, and stays in no list",
  async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const link = await slowLink(server.url, LATENCY_MS);
    t.teardown(() => link.close());
    const cluster = await startCluster({ replicas: 1, env: ENV, redis: { url: link.url } });
    t.teardown(() => cluster.stop());
    const redis = createClient({ url: server.url });
    await redis.connect();
    t.teardown(() => {
      redis.destroy();
    });
    const { url } = cluster.replica(0);
    const teachers = await Promise.all(
      Array.from({ length: TEACHERS }, () =>
        join({ url, session: randomUUID(), role: "teacher", kind: "plain" }),
      ),
    );
    t.teardown(() => Promise.all(teachers.map((teacher) => teacher.close())));
    await Promise.all(teachers.map(({ connected }) => connected));
    const [former = ""] = await redis.zRange("inthon:nodes", 0, -1);
    t.equal(await redis.sCard(`inthon:node:{${former}}:teachers`), TEACHERS);

    cluster.replica(0).kill("SIGTERM");
    t.match(await cluster.replica(0).exited, { code: 0 });
    t.notMatch(cluster.replica(0).output(), "Redis forgot a teacher");
    t.equal(await redis.exists(`inthon:node:{${former}}:teachers`), 0, "nobody would delete it");
    const [onTheirWay = ""] = await redis.zRange("inthon:leaving:{inthon:nodes}", 0, -1);
    t.equal(await redis.sCard(`inthon:node:{${onTheirWay}}:teachers`), TEACHERS, "all are known");
  },
);
